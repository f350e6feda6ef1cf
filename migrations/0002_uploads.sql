-- Resumable uploads, what an appeal says of half-sent files and floods, and where submissions come from.

-- A file on its way in. The offset, the midstate and the storage handle are written together, after the
-- bytes below the offset are durable.
CREATE TABLE upload (
  id BYTEA PRIMARY KEY,
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'gone')),
  -- The protocol that it was begun in, which is the one that its address answers in.
  dialect TEXT NOT NULL CHECK (dialect IN ('tus', 'ietf')),
  -- NULL until the client says it.
  length BIGINT,
  durable_offset BIGINT NOT NULL DEFAULT 0,
  midstate BYTEA NOT NULL,
  head BYTEA NOT NULL,
  -- What the blob store needs to go on; empty before the first byte.
  storage TEXT NOT NULL DEFAULT '',
  -- Raised by every request that takes the upload over; writes of an older one change nothing.
  generation BIGINT NOT NULL DEFAULT 0,
  name BYTEA NOT NULL,
  declared_type TEXT,
  declared_sha256 BYTEA,
  relative_path TEXT,
  -- The client's own mark for telling its files apart; means nothing to us.
  fingerprint TEXT,
  -- As it came, to be given back.
  metadata TEXT NOT NULL DEFAULT '',
  exhibit_id BYTEA REFERENCES exhibit(id),
  created_at BIGINT NOT NULL,
  touched_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX upload_submission ON upload (submission_id, state);
CREATE INDEX upload_expiry ON upload (state, expires_at);

-- JSON: hours that half-sent files are kept, refused types, flood mode.
ALTER TABLE appeal ADD COLUMN intake TEXT NOT NULL DEFAULT '{}';

-- Keyed digest of the address block that a submission was opened from. Erasable.
ALTER TABLE submission ADD COLUMN source BYTEA;
CREATE INDEX submission_source ON submission (appeal_id, source);
