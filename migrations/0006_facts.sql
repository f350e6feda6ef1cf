-- What files tell: derivatives of every kind, fingerprints, families, scans, corrected clocks.

-- What was made of some bytes for eyes. Never evidence.
CREATE TABLE derivative (
  agency_id BYTEA NOT NULL,
  sha256 BYTEA NOT NULL,
  variant TEXT NOT NULL CHECK (variant IN ('thumbnail', 'view', 'sheet', 'proxy')),
  blob_key TEXT NOT NULL,
  -- Unknown of what was made before events committed to it.
  blob_sha256 BYTEA,
  size BIGINT NOT NULL DEFAULT 0,
  media_type TEXT NOT NULL,
  width BIGINT NOT NULL DEFAULT 0,
  height BIGINT NOT NULL DEFAULT 0,
  how TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  PRIMARY KEY (agency_id, sha256, variant),
  FOREIGN KEY (agency_id, sha256) REFERENCES content (agency_id, sha256)
);
CREATE INDEX derivative_blob ON derivative (blob_key);
INSERT INTO derivative (agency_id, sha256, variant, blob_key, blob_sha256, media_type, created_at)
  SELECT agency_id, sha256, 'thumbnail', thumbnail_key, thumbnail_sha256, 'image/jpeg', created_at FROM examination WHERE thumbnail_key IS NOT NULL;
INSERT INTO derivative (agency_id, sha256, variant, blob_key, blob_sha256, media_type, created_at)
  SELECT agency_id, sha256, 'view', view_key, view_sha256, 'image/jpeg', created_at FROM examination WHERE view_key IS NOT NULL;
DROP INDEX examination_thumbnail;
DROP INDEX examination_view;
ALTER TABLE examination DROP COLUMN thumbnail_key;
ALTER TABLE examination DROP COLUMN view_key;
ALTER TABLE examination DROP COLUMN thumbnail_sha256;
ALTER TABLE examination DROP COLUMN view_sha256;

-- Fingerprints (domain/likeness), and a digest of the picture or the samples alone.
ALTER TABLE examination ADD COLUMN prints BYTEA;
ALTER TABLE examination ADD COLUMN essence BYTEA;
-- What tells a device from others of its model: agencies' keyed digest, never the serial number.
ALTER TABLE examination ADD COLUMN device BYTEA;
CREATE INDEX examination_essence ON examination (agency_id, essence);
CREATE INDEX examination_device ON examination (agency_id, device);

-- Contents whose fingerprints belong to an appeal's index, in the order in which they came into it.
CREATE TABLE likeness (
--[sqlite
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
--]
--[postgres
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
--]
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  agency_id BYTEA NOT NULL,
  sha256 BYTEA NOT NULL,
  UNIQUE (appeal_id, sha256)
);
CREATE INDEX likeness_content ON likeness (agency_id, sha256);

-- Whoever joins or parts contents of an appeal takes turns here.
CREATE TABLE family_turn (
  appeal_id BYTEA PRIMARY KEY REFERENCES appeal(id)
);

-- Contents of one appeal that show the same. A content alone has no row.
CREATE TABLE family_member (
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  sha256 BYTEA NOT NULL,
  family_id BYTEA NOT NULL,
  relation TEXT NOT NULL CHECK (relation IN ('first', 'same_media', 'near_identical', 'same_clip', 'stated')),
  -- To which content, and how far in bits.
  via BYTEA,
  distance BIGINT NOT NULL DEFAULT 0,
  joined_at BIGINT NOT NULL,
  PRIMARY KEY (appeal_id, sha256)
);
CREATE INDEX family_members ON family_member (family_id);

-- What an investigator parted is never joined again by the program.
CREATE TABLE family_apart (
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  sha256 BYTEA NOT NULL,
  other BYTEA NOT NULL,
  PRIMARY KEY (appeal_id, sha256, other)
);

-- What the virus scanner said of some bytes. No row: not scanned.
CREATE TABLE scan (
  agency_id BYTEA NOT NULL,
  sha256 BYTEA NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('clean', 'infected', 'too_large')),
  signature TEXT NOT NULL,
  engine TEXT NOT NULL,
  scanned_at BIGINT NOT NULL,
  PRIMARY KEY (agency_id, sha256),
  FOREIGN KEY (agency_id, sha256) REFERENCES content (agency_id, sha256)
);

-- How wrong a device's clock is, as an investigator found out.
CREATE TABLE device_clock (
  id BYTEA PRIMARY KEY,
  appeal_id BYTEA NOT NULL REFERENCES appeal(id),
  device BYTEA NOT NULL,
  -- Added to what the clock said, and how far that may be off.
  delta_us BIGINT NOT NULL,
  doubt_us BIGINT NOT NULL,
  -- Which exhibit showed it.
  basis BYTEA NOT NULL,
  reason TEXT NOT NULL,
  account_id BYTEA NOT NULL REFERENCES account(id),
  created_at BIGINT NOT NULL,
  withdrawn_at BIGINT
);
CREATE INDEX device_clock_device ON device_clock (appeal_id, device);
