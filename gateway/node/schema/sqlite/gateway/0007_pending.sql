-- The log is extended in the order of the commits, not in that of the clocks that named its entries: the clocks of two
-- replicas differ, and one clock may jump back. What was done later must not stand earlier.

-- Place among the entries that have none in the tree yet; begins again at 1 once all have one.
ALTER TABLE entry ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
DROP INDEX entry_pending;
-- Asked by pending_entries, insert_entry: what has no place yet, and which of it came last?
CREATE INDEX entry_pending ON entry (pending, id) WHERE leaf_index IS NULL;
