-- Working together on one appeal: who looks at what, whose it is, tags, remarks, acts on many that can be taken back, requests to
-- witnesses, samples decided again, and how much each person has seen.

-- Bits of the appeal's tags (domain/review/tags.rs); whose it is to review.
ALTER TABLE exhibit ADD COLUMN tags BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exhibit ADD COLUMN assignee BYTEA REFERENCES account(id);

-- Bits of how a file came and what asks for a look (domain/review/signs.rs); by which exhibit a hand-over and a device are called: the number
-- of their first.
ALTER TABLE exhibit ADD COLUMN signs BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exhibit ADD COLUMN sender BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exhibit ADD COLUMN device BIGINT NOT NULL DEFAULT 0;
UPDATE exhibit SET sender = (SELECT MIN(o.number) FROM exhibit o WHERE o.submission_id = exhibit.submission_id);

-- Devices, or models where nothing tells one from the other, that made files of an appeal. The key is a keyed digest.
CREATE TABLE appeal_device (
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  number BIGINT NOT NULL,
  key BYTEA NOT NULL,
  words TEXT NOT NULL,
  exact BIGINT NOT NULL,
  PRIMARY KEY (appeal_id, number),
  UNIQUE (appeal_id, key)
);

-- How many of its exhibits were erased: with the number received it tells how many there are, without counting.
ALTER TABLE appeal ADD COLUMN files_erased BIGINT NOT NULL DEFAULT 0;
UPDATE appeal SET files_erased = files_received - (SELECT COUNT(*) FROM exhibit e WHERE e.appeal_id = appeal.id);

-- Words of an appeal's own tags. A bit is never given to another word.
CREATE TABLE appeal_tag (
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  bit BIGINT NOT NULL,
  word TEXT NOT NULL,
  PRIMARY KEY (appeal_id, bit),
  UNIQUE (appeal_id, word)
);

-- Who has a content before them, by the number of its family. One person at a time.
CREATE TABLE lease (
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  family BIGINT NOT NULL,
  account_id BYTEA NOT NULL REFERENCES account(id),
  until BIGINT NOT NULL,
  PRIMARY KEY (appeal_id, family)
);

-- One act on many exhibits, as it was asked for; and for each exhibit that it changed how that stood before. An item goes when it is taken back.
-- `field`: what of an exhibit it changes; who takes back looks whether somebody changed the same since.
CREATE TABLE act (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  body TEXT NOT NULL,
  field TEXT NOT NULL,
  reason TEXT NOT NULL,
  done_at BIGINT NOT NULL,
  undone_at BIGINT
);
CREATE INDEX act_of ON act (appeal_id, account_id, done_at);
CREATE TABLE act_item (
  act_id BYTEA NOT NULL REFERENCES act(id),
  exhibit_id BYTEA NOT NULL REFERENCES exhibit(id),
  before_it TEXT NOT NULL,
  version BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (act_id, exhibit_id)
);
CREATE INDEX act_item_exhibit ON act_item (exhibit_id);

-- Notes and marks on an exhibit, never in it. What is corrected stays, and names what took its place.
CREATE TABLE remark (
  id BYTEA PRIMARY KEY,
  exhibit_id BYTEA NOT NULL REFERENCES exhibit(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  body TEXT NOT NULL,
  written_at BIGINT NOT NULL,
  superseded_by BYTEA,
  superseded_at BIGINT
);
CREATE INDEX remark_exhibit ON remark (exhibit_id, written_at);

-- The witness is asked to keep the original and to bring it.
CREATE TABLE original_request (
  exhibit_id BYTEA PRIMARY KEY REFERENCES exhibit(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  asked_at BIGINT NOT NULL
);

-- Some of what was found not relevant, drawn by a seed, is decided again by somebody who does not know.
CREATE TABLE sample (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  seed TEXT NOT NULL,
  percent BIGINT NOT NULL,
  population BIGINT NOT NULL,
  drawn_at BIGINT NOT NULL
);
CREATE INDEX sample_appeal ON sample (appeal_id, drawn_at);
CREATE TABLE sample_item (
  sample_id BYTEA NOT NULL REFERENCES sample(id),
  exhibit_id BYTEA NOT NULL REFERENCES exhibit(id),
  rank BIGINT NOT NULL,
  first_value TEXT NOT NULL,
  first_by BYTEA NOT NULL REFERENCES account(id),
  second_value TEXT,
  second_by BYTEA REFERENCES account(id),
  decided_at BIGINT,
  PRIMARY KEY (sample_id, exhibit_id)
);
CREATE INDEX sample_item_exhibit ON sample_item (exhibit_id);

-- How many exhibits a person opened on a day (days since 1970), and how many of them colleagues had marked as graphic.
CREATE TABLE exposure (
  account_id BYTEA NOT NULL REFERENCES account(id),
  day BIGINT NOT NULL,
  opened BIGINT NOT NULL,
  graphic BIGINT NOT NULL,
  PRIMARY KEY (account_id, day)
);

-- Questions that somebody asks again and again.
CREATE TABLE saved_filter (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  account_id BYTEA NOT NULL REFERENCES account(id),
  name TEXT NOT NULL,
  query TEXT NOT NULL,
  shared BIGINT NOT NULL,
  saved_at BIGINT NOT NULL
);
CREATE INDEX saved_filter_appeal ON saved_filter (appeal_id, name);

DROP INDEX exhibit_closeness;
DROP INDEX exhibit_time;
DROP INDEX exhibit_arrival;
CREATE INDEX exhibit_closeness ON exhibit (appeal_id, closeness, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family, tags, assignee, signs, sender, device);
CREATE INDEX exhibit_time ON exhibit (appeal_id, by_time, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family, tags, assignee, signs, sender, device);
CREATE INDEX exhibit_arrival ON exhibit (appeal_id, by_arrival, id, t, t_hi, lat_e7, lon_e7, state, kind, quarantine, grade, lead, family, tags, assignee, signs, sender, device);
CREATE INDEX decision_account ON decision (account_id, decided_at);
