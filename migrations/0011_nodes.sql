-- Many nodes: what one of them does at a time, what each has let in lately, challenges that were used; and the search by place and time.

-- What one node at a time does. Whoever takes a duty over counts its generation up; what an earlier holder still does is refused by it.
CREATE TABLE duty (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  generation BIGINT NOT NULL,
  held_until BIGINT NOT NULL
);

-- What each node has let in within an hour, by a keyed digest of where it came from: the others count it, too.
CREATE TABLE let_in (
  node TEXT NOT NULL,
  what TEXT NOT NULL,
  who BYTEA NOT NULL,
  hour BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (node, what, who, hour)
);
CREATE INDEX let_in_changed ON let_in (changed_at);

-- Challenges that opened a submission in a flood: each opens one, on whichever node.
CREATE TABLE spent_challenge (
  digest BYTEA PRIMARY KEY,
  good_until BIGINT NOT NULL
);

-- Bytes that are being kept, written down before: what no transaction took up is found again here, and nowhere else.
CREATE TABLE keeping (
  id BYTEA PRIMARY KEY,
  blob_key TEXT NOT NULL,
  since BIGINT NOT NULL
);
CREATE INDEX keeping_since ON keeping (since);

-- What was put on record of a bundle: its export and the digest of its manifest. Whoever goes on with it does not do so again.
CREATE TABLE export_record (
  export_id BYTEA PRIMARY KEY,
  manifest TEXT NOT NULL
);

-- A job that became necessary once more while it ran.
ALTER TABLE job ADD COLUMN again BIGINT NOT NULL DEFAULT 0;

-- How wide the interval of time is, in classes: of each class, what overlaps a stretch of time lies in one range of "t". Instants; up to
-- twenty minutes; an hour; a day; more. NULL: no time is known.
--[sqlite
ALTER TABLE exhibit ADD COLUMN span BIGINT GENERATED ALWAYS AS (CASE WHEN t IS NULL THEN NULL WHEN t_hi <= t THEN 0 WHEN t_hi - t <= 1200000000 THEN 1 WHEN t_hi - t <= 3600000000 THEN 2 WHEN t_hi - t <= 86400000000 THEN 3 ELSE 4 END) VIRTUAL;
-- The square of a grid, 2^15 ten-millionths of a degree wide, that the place lies in; row by row from the south-west.
ALTER TABLE exhibit ADD COLUMN cell BIGINT GENERATED ALWAYS AS (((lat_e7 + 900000000) >> 15) * 131072 + ((lon_e7 + 1800000000) >> 15)) VIRTUAL;
--]
--[postgres
ALTER TABLE exhibit ADD COLUMN span BIGINT GENERATED ALWAYS AS (CASE WHEN t IS NULL THEN NULL WHEN t_hi <= t THEN 0 WHEN t_hi - t <= 1200000000 THEN 1 WHEN t_hi - t <= 3600000000 THEN 2 WHEN t_hi - t <= 86400000000 THEN 3 ELSE 4 END) STORED;
ALTER TABLE exhibit ADD COLUMN cell BIGINT GENERATED ALWAYS AS (((lat_e7 + 900000000) >> 15) * 131072 + ((lon_e7 + 1800000000) >> 15)) STORED;
--]
DROP INDEX exhibit_time;
CREATE INDEX exhibit_when ON exhibit (appeal_id, span, t, id, t_hi, lat_e7, lon_e7, state, kind, quarantine, closeness, by_arrival, grade, lead, family, tags, assignee, signs, sender, device);
CREATE INDEX exhibit_where ON exhibit (appeal_id, cell, span, t, id, t_hi, lat_e7, lon_e7, state, kind, quarantine, closeness, by_arrival);
