-- What an appeal's schedule asks for by itself has nobody who asked; who set the periods agrees to none of it.
--[postgres
ALTER TABLE erasure ALTER COLUMN requested_by DROP NOT NULL;
ALTER TABLE erasure ADD COLUMN periods_by BYTEA REFERENCES account(id);
--]
--[sqlite
CREATE TABLE erasure_approval_before AS SELECT * FROM erasure_approval;
DROP TABLE erasure_approval;
CREATE TABLE erasure_after (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'refused', 'executed')),
  basis TEXT NOT NULL,
  reason TEXT NOT NULL,
  requested_by BYTEA REFERENCES account(id),
  requested_at BIGINT NOT NULL,
  ended_at BIGINT,
  periods_by BYTEA REFERENCES account(id)
);
INSERT INTO erasure_after SELECT id, exhibit_id, appeal_id, submission_id, state, basis, reason, requested_by, requested_at, ended_at, NULL FROM erasure;
DROP TABLE erasure;
ALTER TABLE erasure_after RENAME TO erasure;
CREATE INDEX erasure_exhibit ON erasure (exhibit_id, state);
CREATE INDEX erasure_submission ON erasure (submission_id, state);
CREATE TABLE erasure_approval (
  erasure_id BYTEA NOT NULL REFERENCES erasure(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  approved_at BIGINT NOT NULL,
  PRIMARY KEY (erasure_id, account_id)
);
INSERT INTO erasure_approval SELECT erasure_id, account_id, approved_at FROM erasure_approval_before;
DROP TABLE erasure_approval_before;
--]
CREATE INDEX erasure_asked ON erasure (appeal_id, requested_at) WHERE state = 'requested';

ALTER TABLE appeal ADD COLUMN periods_by BYTEA REFERENCES account(id);
-- What each agency says about itself to the public.
ALTER TABLE agency ADD COLUMN notice TEXT NOT NULL DEFAULT '{}';

-- Whether its password was chosen by who made the account: its owner chooses another one before anything else.
ALTER TABLE account ADD COLUMN given BIGINT NOT NULL DEFAULT 0;
