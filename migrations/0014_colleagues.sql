-- An account that may agree to what takes two, made by one person: it waits until another one says that there is such a colleague. (Those of
-- before are taken as they are.)
ALTER TABLE account ADD COLUMN made_by BYTEA REFERENCES account(id);
ALTER TABLE account ADD COLUMN waits BIGINT NOT NULL DEFAULT 0;

-- One question about a contact by one person at a time: its answer answers it. Of twins that came of a race, the newest stays.
UPDATE identity_request SET state = 'refused' WHERE state = 'asked' AND EXISTS (
  SELECT 1 FROM identity_request o WHERE o.submission_id = identity_request.submission_id AND o.asked_by = identity_request.asked_by
    AND o.state = 'asked' AND o.id > identity_request.id);
CREATE UNIQUE INDEX identity_request_one ON identity_request (submission_id, asked_by) WHERE state = 'asked';

