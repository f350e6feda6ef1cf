-- Proof for outsiders: why people look, holds and erasures, what vouches for the log from outside, when bytes were last read,
-- bundles under way.

-- Why this person looks at exhibits in this session, or with this token: a code, and their words.
ALTER TABLE session ADD COLUMN purpose TEXT;
ALTER TABLE api_token ADD COLUMN purpose TEXT;

-- Nothing under a hold is erased. Rows stay after the release.
CREATE TABLE hold (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL,
  -- No reference: a hold that comes back from the log may be of somebody whom a restored backup does not know.
  set_by BYTEA NOT NULL,
  reason TEXT NOT NULL,
  set_at BIGINT NOT NULL,
  released_by BYTEA,
  released_at BIGINT
);
CREATE INDEX hold_exhibit ON hold (exhibit_id, released_at);

-- What is to be erased, who agrees, and what is left of it afterwards: ids and times.
CREATE TABLE erasure (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'refused', 'executed')),
  basis TEXT NOT NULL,
  -- Free text; emptied with the rest.
  reason TEXT NOT NULL,
  requested_by BYTEA NOT NULL REFERENCES account(id),
  requested_at BIGINT NOT NULL,
  ended_at BIGINT
);
CREATE INDEX erasure_exhibit ON erasure (exhibit_id, state);
CREATE INDEX erasure_submission ON erasure (submission_id, state);

CREATE TABLE erasure_approval (
  erasure_id BYTEA NOT NULL REFERENCES erasure(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  approved_at BIGINT NOT NULL,
  PRIMARY KEY (erasure_id, account_id)
);

-- Blobs that nothing refers to any more and that are to be destroyed.
CREATE TABLE doomed_blob (
  blob_key TEXT PRIMARY KEY,
  doomed_at BIGINT NOT NULL
);

-- Keyed digests of blobs that were just destroyed: whoever receives the same bytes in that moment looks again.
CREATE TABLE destroyed_blob (
  mark BYTEA PRIMARY KEY,
  destroyed_at BIGINT NOT NULL
);

-- Exhibits whose tombstones were put back into the log after a backup was restored: to be destroyed again, before anything is
-- served.
CREATE TABLE log_erased (
  exhibit_id BYTEA PRIMARY KEY
);

-- Nothing deletes an exhibit that is under a hold.
--[sqlite
CREATE TRIGGER exhibit_held BEFORE DELETE ON exhibit
WHEN EXISTS (SELECT 1 FROM hold WHERE exhibit_id = OLD.id AND released_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'the exhibit is under a hold'); END;
--]
--[postgres
CREATE FUNCTION exhibit_is_held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF EXISTS (SELECT 1 FROM hold WHERE exhibit_id = OLD.id AND released_at IS NULL) THEN RAISE EXCEPTION 'the exhibit is under a hold'; END IF;
RETURN OLD; END $$;
CREATE TRIGGER exhibit_held BEFORE DELETE ON exhibit FOR EACH ROW EXECUTE FUNCTION exhibit_is_held();
--]

-- What outsiders said of a checkpoint: timestamps and cosignatures, and what went wrong.
CREATE TABLE anchor (
  id BYTEA PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('timestamp', 'witness')),
  name TEXT NOT NULL,
  size BIGINT NOT NULL,
  -- RFC 3161 token in DER, or the cosignature's line; empty when it failed.
  proof BYTEA NOT NULL,
  -- Why not; empty when it held.
  problem TEXT NOT NULL,
  -- The time that the outsider states, else ours.
  at BIGINT NOT NULL
);
CREATE INDEX anchor_latest ON anchor (kind, name, at);
CREATE INDEX anchor_size ON anchor (size);

-- When the bytes were last read and found right.
ALTER TABLE content ADD COLUMN checked_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX content_checked ON content (checked_at, sha256);

-- What the audits that ran here came to.
CREATE TABLE audit_run (
  id BYTEA PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('log', 'fixity')),
  report TEXT NOT NULL,
  findings BIGINT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX audit_latest ON audit_run (kind, at);

-- Bundles that somebody asked for in a page.
CREATE TABLE bundle (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  role TEXT NOT NULL,
  purpose TEXT,
  asked TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'ready', 'failed', 'gone')),
  bytes_done BIGINT NOT NULL DEFAULT 0,
  bytes_all BIGINT NOT NULL,
  size BIGINT NOT NULL DEFAULT 0,
  -- Blobs of a ready one: the plan of its ZIP file, and its small files. The originals are where they always are.
  plan_key TEXT NOT NULL DEFAULT '',
  small_key TEXT NOT NULL DEFAULT '',
  problem TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  ended_at BIGINT
);
CREATE INDEX bundle_account ON bundle (account_id, created_at);
