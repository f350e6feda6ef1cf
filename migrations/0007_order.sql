-- Claims in the order in which they were made: ids of one millisecond, or of another node's clock, do not tell it.
ALTER TABLE claim ADD COLUMN n BIGINT NOT NULL DEFAULT 0;
