-- The vault: who the exchanges are about. No name, date or place is in clear here: descriptions are sealed under a key
-- that needs both the vault's secret and the exchange's own key, so that erasing an exchange erases its descriptions;
-- what finds persons is HMACs under the vault's secret. A `rid` is 16 random bytes and says nothing.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. Identifiers are lower-case UUIDv7.

-- Which key store seals everything here; one row.
CREATE TABLE keystore (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT   NOT NULL,
    written_by  TEXT   NOT NULL
);

-- One person, as far as is known.
CREATE TABLE person (
    -- Never changed after insert.
    rid         BYTEA  PRIMARY KEY,               -- 16 random bytes
    population  TEXT   NOT NULL CHECK (population IN ('minor', 'adult')),
    created_at  BIGINT NOT NULL,

    -- Set by a merge, cleared by a split.
    merged_into BYTEA  REFERENCES person,         -- the same person under an older rid; NULL: this one speaks for itself
    written_by  TEXT   NOT NULL,
    CONSTRAINT not_into_itself CHECK (merged_into IS NULL OR merged_into <> rid)
);
-- Asked by forget: does anybody lead here?
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into IS NOT NULL;

-- One subject of one exchange.
CREATE TABLE mention (
    -- Never changed after insert, but for `rid` when a person takes the mention out.
    exchange_id TEXT   NOT NULL,                  -- of the gateway's database; an orphan when it is not there
    n           BIGINT NOT NULL,                  -- place among the subjects of the exchange, from 0
    rid         BYTEA  NOT NULL REFERENCES person,
    sealed      BYTEA  NOT NULL,                  -- the description; authenticates (exchange, n)
    likeness    BYTEA  NOT NULL,                  -- the HMACs of this description one after the other, 16 bytes each
    created_at  BIGINT NOT NULL,

    -- Moves forward only.
    confirmed   BIGINT NOT NULL DEFAULT 0         -- 1: its exchange was seen in the gateway's database
                CHECK (confirmed IN (0, 1)),
    written_by  TEXT   NOT NULL,
    PRIMARY KEY (exchange_id, n)
);
-- Asked by newest_mention, forget: what is said of this person?
CREATE INDEX mention_person ON mention (rid, created_at);
-- Asked by unconfirmed_mentions: which may be orphans?
CREATE INDEX mention_unconfirmed ON mention (created_at) WHERE confirmed = 0;

-- By which keyed indexes persons are found. One row for each (key, person), however often the person is mentioned:
-- looking up costs the same at the thousandth mention.
CREATE TABLE likeness (
    mac        BYTEA  NOT NULL,                   -- HMAC over population, kind of index and normalised traits, 16 bytes
    rid        BYTEA  NOT NULL REFERENCES person,
    mentions   BIGINT NOT NULL CHECK (mentions >= 0), -- how many mentions have this key; the row goes with the last
    written_by TEXT   NOT NULL,
    PRIMARY KEY (mac, rid)
);
-- Asked by the foreign key when a person is deleted.
CREATE INDEX likeness_person ON likeness (rid);

-- What a person decided about who is who. Kept for ever: each can be undone by another.
CREATE TABLE linkage (
    -- Never changed after insert.
    id          TEXT   PRIMARY KEY,               -- LinkageId; the log entry that states it has the same id
    change      TEXT   NOT NULL CHECK (change IN ('same', 'different', 'split', 'separate')),
    proposal_id TEXT,                             -- the question it answers
    undoes      TEXT   REFERENCES linkage,        -- of a split: the merge
    exchange_id TEXT,                             -- of a separation: the mention taken out
    n           BIGINT,
    decided_by  TEXT   NOT NULL,                  -- issuer#subject, opaque
    decided_at  BIGINT NOT NULL,

    -- Settled when it takes effect.
    kept        BYTEA  NOT NULL,                  -- the person that stays
    moved       BYTEA  NOT NULL,                  -- the person that was merged into it, or leaves it
    applied_at  BIGINT,                           -- NULL: decided, to be logged and applied
    written_by  TEXT   NOT NULL
);
CREATE INDEX linkage_kept ON linkage (kept);
CREATE INDEX linkage_moved ON linkage (moved);
-- Asked by unfinished.
CREATE INDEX linkage_unfinished ON linkage (id) WHERE applied_at IS NULL;

-- The question whether two persons are one. Asked once for each pair; only a person answers.
CREATE TABLE proposal (
    -- Never changed after insert.
    id         TEXT   PRIMARY KEY,                -- ProposalId
    low        BYTEA  NOT NULL REFERENCES person, -- the pair, the lesser rid first
    high       BYTEA  NOT NULL REFERENCES person,
    reasons    TEXT   NOT NULL,                   -- names of the indexes that agree, with spaces between; never a trait
    created_at BIGINT NOT NULL,

    -- Set once.
    linkage_id TEXT   REFERENCES linkage,         -- the answer
    written_by TEXT   NOT NULL,
    UNIQUE (low, high),
    CONSTRAINT ordered CHECK (low < high)
);
CREATE INDEX proposal_high ON proposal (high);
-- Asked by proposals: what waits for a person?
CREATE INDEX proposal_open ON proposal (id) WHERE linkage_id IS NULL;
