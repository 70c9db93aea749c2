-- Back before 0007: what is pending is then signed in the order of its ids.
DROP INDEX entry_pending;
ALTER TABLE entry DROP COLUMN pending;
CREATE INDEX entry_pending ON entry (id) WHERE leaf_index IS NULL;
