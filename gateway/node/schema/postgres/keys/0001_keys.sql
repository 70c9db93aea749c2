-- The key database. It holds keys, all wrapped, and no content: destroying a row here erases a content everywhere.
-- Its backups live at most 30 days, and a restore replays the erasure journal before it serves.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. Identifiers are lower-case UUIDv7.

-- Which key store wraps everything here; one row. Another key store is refused, before it can do harm.
CREATE TABLE keystore (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT   NOT NULL,                  -- of the key file; tells nothing of the keys
    written_by  TEXT   NOT NULL
);

-- The key that wraps the data keys of one retention class and one quarter. Never changed after insert.
CREATE TABLE period_key (
    retention  TEXT   NOT NULL,                   -- retention class of the catalogue
    quarter    TEXT   NOT NULL,                   -- calendar quarter of acceptance (UTC), `2026-Q4`
    wrapped    BYTEA  NOT NULL,                   -- under the master key; authenticates (retention, quarter)
    written_by TEXT   NOT NULL,
    PRIMARY KEY (retention, quarter)
);

-- The data key of one exchange. A row exists from just before acceptance until erasure.
CREATE TABLE exchange_key (
    -- Never changed after insert.
    exchange_id TEXT   PRIMARY KEY,               -- ExchangeId
    retention   TEXT   NOT NULL,
    quarter     TEXT   NOT NULL,
    wrapped     BYTEA  NOT NULL,                  -- under its period key; authenticates (exchange, retention, quarter)
    minted_at   BIGINT NOT NULL,

    -- Moves forward only.
    confirmed   BIGINT NOT NULL DEFAULT 0         -- 1: its exchange was seen in the gateway's database, it is no orphan
                CHECK (confirmed IN (0, 1)),
    written_by  TEXT   NOT NULL,
    FOREIGN KEY (retention, quarter) REFERENCES period_key
);
-- Asked by unconfirmed_keys: which keys may be orphans?
CREATE INDEX exchange_key_unconfirmed ON exchange_key (minted_at) WHERE confirmed = 0;

-- The erasure journal: what was destroyed, so that a restored backup can destroy it again. Never changed, never deleted.
CREATE TABLE erasure (
    exchange_id TEXT   PRIMARY KEY,
    at          BIGINT NOT NULL,
    motive      BYTEA  NOT NULL,                  -- sealed under the master key: a person may have been named in it
    written_by  TEXT   NOT NULL
);
-- Asked by erasures: the journal in order, page by page.
CREATE INDEX erasure_order ON erasure (at, exchange_id);

-- The key of the pseudonyms of one domain in one epoch.
CREATE TABLE domain_key (
    -- Never changed after insert.
    recipient  TEXT   NOT NULL,                   -- institution that is given the pseudonyms
    purpose    TEXT   NOT NULL,                   -- purpose class
    agreement  TEXT   NOT NULL,                   -- '' for none
    epoch      BIGINT NOT NULL CHECK (epoch > 0), -- the highest is the one in use; older ones still read

    -- Moves forward only.
    wrapped    BYTEA,                             -- under the master key; NULL once the domain is closed, for ever
    closed_at  BIGINT,
    written_by TEXT   NOT NULL,
    PRIMARY KEY (recipient, purpose, agreement, epoch),
    CONSTRAINT closed_has_no_key CHECK ((wrapped IS NULL) = (closed_at IS NOT NULL))
);
