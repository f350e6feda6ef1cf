-- What people ask about data of theirs (access, rectification, erasure, restriction), what was answered, and by when.
CREATE TABLE subject_request (
  id BYTEA PRIMARY KEY,
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  kind TEXT NOT NULL CHECK (kind IN ('access', 'rectification', 'erasure', 'restriction')),
  asked TEXT NOT NULL,
  identified TEXT NOT NULL,
  opened_by BYTEA NOT NULL REFERENCES account(id),
  opened_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  outcome TEXT CHECK (outcome IN ('granted', 'partly', 'refused')),
  answer TEXT NOT NULL DEFAULT '',
  closed_by BYTEA REFERENCES account(id),
  closed_at BIGINT
);
CREATE INDEX subject_request_of ON subject_request (agency_id, closed_at, due_at);
CREATE INDEX subject_request_about ON subject_request (submission_id);

-- Its witness asked that it be kept and not used: behind glass, whatever else it is.
ALTER TABLE exhibit ADD COLUMN restricted BIGINT NOT NULL DEFAULT 0;
CREATE INDEX exhibit_restricted ON exhibit (appeal_id) WHERE restricted = 1;
CREATE INDEX exhibit_infected ON exhibit (appeal_id) WHERE quarantine = 'infected';

-- Bundles of many exhibits take a second person: 1 while they wait for one, and who agreed.
ALTER TABLE bundle ADD COLUMN awaits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bundle ADD COLUMN agreed_by BYTEA REFERENCES account(id);
