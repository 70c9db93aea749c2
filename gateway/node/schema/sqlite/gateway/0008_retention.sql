-- What has been kept long enough is found without reading what has not.

-- From when the time of the content's retention class counts: the acceptance, moved forward by what was done with it since.
-- 0 from a program of the version before: found at once, and then moved.
ALTER TABLE exchange ADD COLUMN kept_since BIGINT NOT NULL DEFAULT 0;
UPDATE exchange SET kept_since = accepted_at;
-- Asked by kept_long: what of this class may be over?
CREATE INDEX exchange_kept ON exchange (retention, kept_since, id) WHERE erased_at IS NULL;
-- Asked by expire_openings: which openings have expired?
CREATE INDEX entry_expiry ON entry (expires_at) WHERE opening IS NOT NULL AND expires_at IS NOT NULL;
