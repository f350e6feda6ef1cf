-- The workspace: numbers that people can say, families as units, places as whole numbers, what changed when, decisions taken back.

-- In the order of arrival within the appeal, from 1; never given twice.
ALTER TABLE exhibit ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
-- The number of the first exhibit of its family, its own when it is alone; and whether it is the family's best copy.
ALTER TABLE exhibit ADD COLUMN family BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exhibit ADD COLUMN lead BIGINT NOT NULL DEFAULT 1;
-- How good a copy it is among its family (domain/family.rs).
ALTER TABLE exhibit ADD COLUMN merit BIGINT NOT NULL DEFAULT 0;
-- The effective place in ten-millionths of a degree: both databases and the browser compare it alike.
ALTER TABLE exhibit ADD COLUMN lat_e7 BIGINT;
ALTER TABLE exhibit ADD COLUMN lon_e7 BIGINT;
-- Where the camera looked, in degrees from north.
ALTER TABLE exhibit ADD COLUMN bearing BIGINT;
-- When anything that the queue shows of it changed.
ALTER TABLE exhibit ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;

UPDATE exhibit SET number = r.n FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY appeal_id ORDER BY id) AS n FROM exhibit) r WHERE r.id = exhibit.id;
UPDATE exhibit SET family = r.first_number, lead = CASE WHEN r.first_number = exhibit.number THEN 1 ELSE 0 END, changed_at = received_at
  FROM (SELECT e.id, MIN(e.number) OVER (PARTITION BY e.appeal_id, COALESCE(m.family_id, e.sha256)) AS first_number
        FROM exhibit e LEFT JOIN family_member m ON m.appeal_id = e.appeal_id AND m.sha256 = e.sha256) r
  WHERE r.id = exhibit.id;
UPDATE exhibit SET lat_e7 = CAST(ROUND(lat * 10000000) AS BIGINT), lon_e7 = CAST(ROUND(lon * 10000000) AS BIGINT) WHERE lat IS NOT NULL;

CREATE UNIQUE INDEX exhibit_number ON exhibit (appeal_id, number);
CREATE INDEX exhibit_family ON exhibit (appeal_id, family);
CREATE INDEX exhibit_changed ON exhibit (appeal_id, changed_at);
DROP INDEX exhibit_closeness;
DROP INDEX exhibit_time;
DROP INDEX exhibit_arrival;
CREATE INDEX exhibit_closeness ON exhibit (appeal_id, closeness, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family);
CREATE INDEX exhibit_time ON exhibit (appeal_id, by_time, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family);
CREATE INDEX exhibit_arrival ON exhibit (appeal_id, by_arrival, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family);

-- A decision that its author took back; the row stays.
ALTER TABLE decision ADD COLUMN undone_at BIGINT;
