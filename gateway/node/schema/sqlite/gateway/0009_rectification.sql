-- A sender corrects by another exchange that says which one it corrects, and withdraws without one. Nothing is overwritten.

ALTER TABLE exchange ADD COLUMN rectifies TEXT;         -- the exchange it corrects, of the same two ends
ALTER TABLE exchange ADD COLUMN withdrawn_at BIGINT;    -- moves forward only
-- Asked by corrections_of: what corrected this exchange?
CREATE INDEX exchange_corrections ON exchange (rectifies) WHERE rectifies IS NOT NULL;

-- Why, sealed under the key of what was withdrawn.
CREATE TABLE withdrawal (
    exchange_id  TEXT NOT NULL PRIMARY KEY REFERENCES exchange,
    professional TEXT NOT NULL,                   -- opaque subject
    motive       BLOB NOT NULL,
    written_by   TEXT NOT NULL
);

-- What a delivery hands over: the content, or the word that it was withdrawn.
ALTER TABLE delivery ADD COLUMN notice TEXT NOT NULL DEFAULT 'content' CHECK (notice IN ('content', 'withdrawal'));
-- When a withdrawal took its place: it shows in no mailbox any more.
ALTER TABLE delivery ADD COLUMN replaced_at BIGINT;
