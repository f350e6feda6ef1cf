-- How many entries of the custody log lie, with a checkpoint over them, where this database cannot change them.
ALTER TABLE log_head ADD COLUMN published BIGINT NOT NULL DEFAULT 0;
