-- The record completed: keys that were replaced, epochs of the log, what a node was last configured with, when a submission was
-- found quiet, what was erased of it.

-- Keys that signed this log before: none signs a checkpoint larger than that.
CREATE TABLE log_key (
  vkey TEXT PRIMARY KEY,
  until BIGINT NOT NULL,
  replaced_at BIGINT NOT NULL,
  -- Since when it does not sign along any more.
  retired_at BIGINT
);

-- A log that could not be gone on with is closed; its next epoch carries on with the entries that there still are.
ALTER TABLE log_head ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1;
ALTER TABLE log_head ADD COLUMN epoch_start BIGINT NOT NULL DEFAULT 0;

-- Keyed digest of the settings that each node last started with.
CREATE TABLE node (
  name TEXT PRIMARY KEY,
  config TEXT NOT NULL,
  started_at BIGINT NOT NULL
);

-- With how many files a submission was last found quiet; NULL while it never was.
ALTER TABLE submission ADD COLUMN closed_files BIGINT;

-- The index that finds those whose count has changed since.
CREATE INDEX submission_quiet ON submission (opened_at) WHERE files > 0 AND (closed_files IS NULL OR closed_files <> files);

-- What the pictures made from some bytes are, for events and bundles.
ALTER TABLE examination ADD COLUMN thumbnail_sha256 BYTEA;
ALTER TABLE examination ADD COLUMN view_sha256 BYTEA;

-- What was erased of a submission, and when: for its witness, also after a restore.
CREATE TABLE tombstone (
  exhibit_id BYTEA PRIMARY KEY,
  submission_id BYTEA NOT NULL,
  erased_at BIGINT NOT NULL
);
CREATE INDEX tombstone_submission ON tombstone (submission_id, erased_at);
INSERT INTO tombstone (exhibit_id, submission_id, erased_at)
  SELECT exhibit_id, submission_id, ended_at FROM erasure WHERE state = 'executed' AND ended_at IS NOT NULL;

-- Somebody looked at more in a minute than people do.
CREATE TABLE unusual (
  account_id BYTEA NOT NULL REFERENCES account(id),
  looks BIGINT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX unusual_at ON unusual (at);

-- Of which exhibit another one is a duplicate: closed when that one is erased.
CREATE INDEX opening_of ON log_opening (value) WHERE path = 'of';

--[sqlite
-- SQLite keeps a table by its row id, and what is declared as its key beside it: written once instead of twice, the log grows faster.
CREATE TABLE log_entry_again (
  idx INTEGER PRIMARY KEY,
  event_id BYTEA NOT NULL UNIQUE,
  leaf BYTEA NOT NULL,
  bytes BYTEA NOT NULL
);
INSERT INTO log_entry_again SELECT idx, event_id, leaf, bytes FROM log_entry ORDER BY idx;
DROP TABLE log_entry;
ALTER TABLE log_entry_again RENAME TO log_entry;
CREATE TRIGGER log_entry_no_update BEFORE UPDATE ON log_entry BEGIN SELECT RAISE(ABORT, 'custody events are never changed'); END;
CREATE TRIGGER log_entry_no_delete BEFORE DELETE ON log_entry BEGIN SELECT RAISE(ABORT, 'custody events are never deleted'); END;

CREATE TABLE log_subject_again (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  n BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  leaf BYTEA NOT NULL,
  PRIMARY KEY (kind, id, n)
) WITHOUT ROWID;
INSERT INTO log_subject_again SELECT kind, id, n, idx, leaf FROM log_subject;
DROP TABLE log_subject;
ALTER TABLE log_subject_again RENAME TO log_subject;
--]
