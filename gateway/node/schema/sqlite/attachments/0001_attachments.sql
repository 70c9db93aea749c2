-- The attachments: their bytes, sealed, and nothing that says what they are. Which exchange brings one, its class and the
-- key that opens it stand in the main database, under the key of that exchange: destroying that key erases here too.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. Identifiers are lower-case UUIDv7.

-- Which key store wraps everything here; one row. Another key store is refused, before it can do harm.
CREATE TABLE keystore (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT   NOT NULL,                  -- of the key file; tells nothing of the keys
    written_by  TEXT   NOT NULL
);

-- One attachment. Written while it comes, before the exchange that brings it: what no exchange names is taken away.
CREATE TABLE attachment (
    -- Never changed after insert.
    id           TEXT   PRIMARY KEY,              -- AttachmentId

    -- Moves forward only.
    touched_at   BIGINT NOT NULL,                 -- when its newest block came
    confirmed    BIGINT NOT NULL                  -- 1 once an exchange was seen that names it
                        CHECK (confirmed IN (0, 1)),
    written_by   TEXT   NOT NULL
);

CREATE INDEX attachment_unconfirmed ON attachment (touched_at) WHERE confirmed = 0;

-- Up to sixteen sealed chunks one after the other. Never changed after insert.
CREATE TABLE block (
    attachment_id TEXT   NOT NULL REFERENCES attachment,
    n             BIGINT NOT NULL,                -- from 0
    sealed        BLOB   NOT NULL,
    written_by    TEXT   NOT NULL,
    PRIMARY KEY (attachment_id, n)
);
