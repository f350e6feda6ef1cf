-- What could not be read or shown of an exhibit, in stable words, so that the queue says it.
ALTER TABLE exhibit ADD COLUMN notes TEXT NOT NULL DEFAULT '';
