-- Safe to stand in public: how people prove who they are, several agencies and what they share, and who the witnesses are, sealed.

-- The agency's vault: an age recipient (age1…), to which contact data is sealed. The key that opens it is nowhere in here.
ALTER TABLE agency ADD COLUMN vault TEXT;
-- Whether reading a contact takes a second person.
ALTER TABLE agency ADD COLUMN two_persons BIGINT NOT NULL DEFAULT 0;

-- A second factor by RFC 6238: the secret, wrapped with a key that is not in the database, and the last step whose code was used.
ALTER TABLE account ADD COLUMN totp BYTEA;
ALTER TABLE account ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
-- Under which name an identity provider knows them, and which subject of which issuer that was when they came first.
ALTER TABLE account ADD COLUMN sso_name TEXT;
ALTER TABLE account ADD COLUMN sso_subject TEXT;
CREATE UNIQUE INDEX account_sso ON account (sso_name);
CREATE UNIQUE INDEX account_sso_subject ON account (sso_subject);

-- WebAuthn credentials: the public part, as the library writes it.
CREATE TABLE passkey (
  id BYTEA PRIMARY KEY,
  account_id BYTEA NOT NULL REFERENCES account(id),
  credential BYTEA NOT NULL UNIQUE,
  body TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX passkey_of ON passkey (account_id);

-- What one end of a sign-in remembers until the other answers: a challenge, a nonce. Used once.
CREATE TABLE ceremony (
  token_hash BYTEA PRIMARY KEY,
  what TEXT NOT NULL,
  account_id BYTEA REFERENCES account(id),
  body TEXT NOT NULL,
  good_until BIGINT NOT NULL
);

-- A session can be shown and ended without its secret; how and when its owner proved who they are; and from what kind of browser.
ALTER TABLE session ADD COLUMN id BYTEA;
ALTER TABLE session ADD COLUMN proof TEXT NOT NULL DEFAULT 'password';
ALTER TABLE session ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
-- (Everybody signs in anew.)
DELETE FROM session;
CREATE UNIQUE INDEX session_id ON session (id);
CREATE INDEX session_of ON session (account_id);

-- What a token may be used for (bits of domain/actor.rs), until when, and what it is called.
ALTER TABLE api_token ADD COLUMN id BYTEA;
ALTER TABLE api_token ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_token ADD COLUMN scopes BIGINT NOT NULL DEFAULT 31;
ALTER TABLE api_token ADD COLUMN expires_at BIGINT;
ALTER TABLE api_token ADD COLUMN used_at BIGINT;
CREATE INDEX api_token_of ON api_token (account_id);

-- Somebody lost everything they proved themselves with: one administrator asks, another person agrees, and then a link works once.
CREATE TABLE recovery (
  id BYTEA PRIMARY KEY,
  account_id BYTEA NOT NULL REFERENCES account(id),
  asked_by BYTEA REFERENCES account(id),
  reason TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  agreed_by BYTEA REFERENCES account(id),
  state TEXT NOT NULL CHECK (state IN ('asked', 'agreed', 'refused', 'done')),
  token_hash BYTEA UNIQUE,
  good_until BIGINT
);
CREATE INDEX recovery_of ON recovery (account_id);

-- An appeal that a partner agency may see ('look') or also decide on ('decide'), until a day.
CREATE TABLE appeal_share (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  level TEXT NOT NULL CHECK (level IN ('look', 'decide')),
  shared_by BYTEA REFERENCES account(id),
  shared_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT
);
CREATE INDEX appeal_share_with ON appeal_share (agency_id, appeal_id);
CREATE INDEX appeal_share_of ON appeal_share (appeal_id);

-- How to reach a witness: an age file, padded, for the agency's vault. Opened by nobody here.
CREATE TABLE identity (
  submission_id BYTEA PRIMARY KEY REFERENCES submission(id),
  sealed BYTEA NOT NULL,
  vault TEXT NOT NULL,
  sealed_at BIGINT NOT NULL
);

-- Somebody asks to read it, and another person agrees.
CREATE TABLE identity_request (
  id BYTEA PRIMARY KEY,
  agency_id BYTEA NOT NULL REFERENCES agency(id),
  submission_id BYTEA NOT NULL REFERENCES submission(id),
  exhibit_id BYTEA NOT NULL,
  asked_by BYTEA NOT NULL REFERENCES account(id),
  purpose TEXT NOT NULL,
  reason TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('asked', 'agreed', 'refused')),
  judged_by BYTEA REFERENCES account(id),
  judged_at BIGINT,
  good_until BIGINT
);
CREATE INDEX identity_request_waits ON identity_request (agency_id, state);
CREATE INDEX identity_request_of ON identity_request (submission_id, asked_by);

-- How who asked for a bundle had proved who they are: its events say so.
ALTER TABLE bundle ADD COLUMN proof TEXT NOT NULL DEFAULT 'password';

-- For how long an appeal's exhibits are kept, by what was decided, and when somebody last looked whether that is still right: JSON of
-- domain/retention.rs.
ALTER TABLE appeal ADD COLUMN retention TEXT NOT NULL DEFAULT '{}';
ALTER TABLE appeal ADD COLUMN reviewed_at BIGINT;
