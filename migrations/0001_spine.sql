-- The spine: appeals, what witnesses hand over, what examination finds, what people decide, and the
-- custody log that all of it is written to.
--
-- Portable types: ids BYTEA (16 bytes, UUIDv7), digests BYTEA (32 bytes), times BIGINT (microseconds
-- UTC), enumerations TEXT with CHECK, JSON as TEXT. Lines between "--[engine" and "--]" are for that
-- engine only; "db/migrate.rs" writes BLOB for BYTEA on SQLite.

CREATE TABLE agency (
  id BYTEA PRIMARY KEY,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE account (
  id BYTEA PRIMARY KEY,
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('investigator', 'supervisor', 'auditor', 'administrator')),
  password_hash TEXT NOT NULL,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL
);

-- Secrets are kept as SHA-256 of 256 random bits: a copy of this table opens nothing.
CREATE TABLE session (
  token_hash BYTEA PRIMARY KEY,
  account_id BYTEA NOT NULL REFERENCES account(id),
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE api_token (
  token_hash BYTEA PRIMARY KEY,
  account_id BYTEA NOT NULL REFERENCES account(id),
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);

CREATE TABLE setup_link (
  token_hash BYTEA PRIMARY KEY,
  created_at BIGINT NOT NULL,
  used_at BIGINT
);

CREATE TABLE appeal (
  id BYTEA PRIMARY KEY,
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  code TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('draft', 'open', 'closed')),
  texts TEXT NOT NULL,
  default_language TEXT NOT NULL,
  emergency_number TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  to_at BIGINT NOT NULL,
  zone TEXT NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  lon DOUBLE PRECISION NOT NULL,
  radius_m DOUBLE PRECISION NOT NULL,
  budgets TEXT NOT NULL,
  bytes_received BIGINT NOT NULL DEFAULT 0,
  files_received BIGINT NOT NULL DEFAULT 0,
  demo BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);

CREATE TABLE submission (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  token_hash BYTEA NOT NULL UNIQUE,
  receipt_hash BYTEA NOT NULL UNIQUE,
  -- What the witness says of themselves and their files: erasable.
  statement TEXT NOT NULL,
  files BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  opened_at BIGINT NOT NULL
);

-- Bytes, once per agency. The key says where the blob store has them.
CREATE TABLE content (
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  sha256 BYTEA NOT NULL,
  size BIGINT NOT NULL,
  blob_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (agency_id, sha256)
);
CREATE INDEX content_blob ON content (blob_key);

-- What the readers found in some bytes, and the pictures made from them.
CREATE TABLE examination (
  agency_id BYTEA NOT NULL,
  sha256 BYTEA NOT NULL,
  found TEXT NOT NULL,
  raw TEXT NOT NULL,
  notes TEXT NOT NULL,
  reader TEXT NOT NULL,
  thumbnail_key TEXT,
  view_key TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (agency_id, sha256),
  FOREIGN KEY (agency_id, sha256) REFERENCES content (agency_id, sha256)
);
CREATE INDEX examination_thumbnail ON examination (thumbnail_key);
CREATE INDEX examination_view ON examination (view_key);

-- One received file. Two witnesses with the same bytes are two rows.
CREATE TABLE exhibit (
  id BYTEA PRIMARY KEY,
  agency_id BYTEA NOT NULL,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  sha256 BYTEA NOT NULL,
  size BIGINT NOT NULL,
  name TEXT NOT NULL,
  name_truncated BIGINT NOT NULL DEFAULT 0,
  media_type TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('photo', 'video', 'audio', 'document', 'other')),
  state TEXT NOT NULL CHECK (state IN ('received', 'ready', 'relevant', 'not_relevant', 'undecided')),
  quarantine TEXT,
  received_at BIGINT NOT NULL,
  -- The effective time: an interval, with its grade and source.
  t BIGINT,
  t_hi BIGINT,
  grade TEXT,
  time_source TEXT,
  -- The effective place.
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  acc_m DOUBLE PRECISION,
  place_source TEXT,
  -- Sort keys of the three orders, all ascending.
  closeness BIGINT NOT NULL,
  by_time BIGINT NOT NULL,
  by_arrival BIGINT NOT NULL,
  has_thumbnail BIGINT NOT NULL DEFAULT 0,
  examined_at BIGINT,
  version BIGINT NOT NULL DEFAULT 0,
  FOREIGN KEY (agency_id, sha256) REFERENCES content (agency_id, sha256)
);
-- Covering: a page is found in the index, then fifty rows are fetched.
CREATE INDEX exhibit_closeness ON exhibit (appeal_id, closeness, id, t, t_hi, lat, lon, state, kind, quarantine);
CREATE INDEX exhibit_time ON exhibit (appeal_id, by_time, id, t, t_hi, lat, lon, state, kind, quarantine);
CREATE INDEX exhibit_arrival ON exhibit (appeal_id, by_arrival, id, t, t_hi, lat, lon, state, kind, quarantine);
CREATE INDEX exhibit_submission ON exhibit (submission_id);
CREATE INDEX exhibit_content ON exhibit (agency_id, sha256);

-- Claims of time and place. Only ever added.
CREATE TABLE claim (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL REFERENCES exhibit(id),
  about TEXT NOT NULL CHECK (about IN ('time', 'place')),
  body TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX claim_exhibit ON claim (exhibit_id);

CREATE TABLE decision (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL REFERENCES exhibit(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  value TEXT NOT NULL CHECK (value IN ('relevant', 'not_relevant', 'undecided')),
  note TEXT NOT NULL,
  version BIGINT NOT NULL,
  decided_at BIGINT NOT NULL,
  UNIQUE (exhibit_id, version)
);

CREATE TABLE job (
  id BYTEA PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  priority BIGINT NOT NULL,
  run_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL DEFAULT 0,
  last_error TEXT,
  created_at BIGINT NOT NULL,
  UNIQUE (kind, subject)
);
CREATE INDEX job_ready ON job (priority, run_at, id);

-- The custody log. A business transaction puts its event here; the sequencer gives it its place.
CREATE TABLE log_pending (
--[sqlite
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
--]
--[postgres
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
--]
  event_id BYTEA NOT NULL UNIQUE,
  draft BYTEA NOT NULL
);

CREATE TABLE log_entry (
  idx BIGINT PRIMARY KEY,
  event_id BYTEA NOT NULL UNIQUE,
  leaf BYTEA NOT NULL,
  bytes BYTEA NOT NULL
);

-- What each event is about, and its number in that subject's history.
CREATE TABLE log_subject (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  n BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  leaf BYTEA NOT NULL,
  PRIMARY KEY (kind, id, n)
);

CREATE TABLE log_tile (
  level BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  hashes BYTEA NOT NULL,
  PRIMARY KEY (level, idx)
);

-- One row: the tree's size and right edge. Locking it is what makes one sequencer at a time.
CREATE TABLE log_head (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  -- The log's identity, fixed at the first start.
  origin TEXT NOT NULL DEFAULT '',
  -- Its public key, likewise: another key would orphan every receipt.
  vkey TEXT NOT NULL DEFAULT '',
  size BIGINT NOT NULL,
  edge BYTEA NOT NULL
);
--[sqlite
INSERT INTO log_head (id, size, edge) VALUES (1, 0, x'');
--]
--[postgres
INSERT INTO log_head (id, size, edge) VALUES (1, 0, '');
--]

CREATE TABLE log_checkpoint (
  size BIGINT PRIMARY KEY,
  note TEXT NOT NULL,
  created_at BIGINT NOT NULL
);

-- Openings of the commitments in the log: personal data, erasable without touching the log.
CREATE TABLE log_opening (
  event_id BYTEA NOT NULL,
  path TEXT NOT NULL,
  salt TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (event_id, path)
);

-- Nothing updates or deletes a custody event.
--[sqlite
CREATE TRIGGER log_entry_no_update BEFORE UPDATE ON log_entry BEGIN SELECT RAISE(ABORT, 'custody events are never changed'); END;
CREATE TRIGGER log_entry_no_delete BEFORE DELETE ON log_entry BEGIN SELECT RAISE(ABORT, 'custody events are never deleted'); END;
--]
--[postgres
CREATE FUNCTION custody_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'custody events are never changed or deleted'; END $$;
CREATE TRIGGER log_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entry FOR EACH STATEMENT EXECUTE FUNCTION custody_is_append_only();
--]
