-- The gateway's own database. It holds no clear identity, no content and no key: identities live in the
-- vault, keys in the key database, and what stands here of a content is ciphertext.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. Identifiers are lower-case UUIDv7.

-- One accepted exchange. A row exists if and only if a receipt was (or may have been) given.
CREATE TABLE exchange (
    -- Never changed after insert.
    id                    TEXT   PRIMARY KEY,     -- ExchangeId
    type                  TEXT   NOT NULL,        -- code of the catalogue
    type_version          BIGINT NOT NULL,        -- version of the declaration it was read with
    sender_institution    TEXT   NOT NULL,
    sender_unit           TEXT   NOT NULL,        -- '' for the institution as a whole
    sender_professional   TEXT   NOT NULL,        -- opaque subject of the directory; '' when the institution deposited alone
    recipient_institution TEXT   NOT NULL,
    recipient_unit        TEXT   NOT NULL,        -- '' for the institution as a whole
    urgency               BIGINT NOT NULL         -- 0 immediate, 1 priority, 2 ordinary, 3 batch: taken in this order
                          CHECK (urgency BETWEEN 0 AND 3),
    in_reply_to           TEXT,                   -- the exchange it answers, of this gateway
    accepted_at           BIGINT NOT NULL,
    incomplete            BIGINT NOT NULL         -- 1: something expected is missing or did not conform
                          CHECK (incomplete IN (0, 1)),
    retention             TEXT   NOT NULL,        -- retention class of the content
    leaf_hash             BYTEA  NOT NULL,        -- RFC 6962 hash of its `exchange.accepted` entry
    receipt               TEXT   NOT NULL,        -- compact JWS, returned verbatim, for ever
    route                 BYTEA  NOT NULL,        -- sealed route (parties, purpose, facts)
    decision              BYTEA  NOT NULL,        -- sealed decision record, kept for replay

    -- Moves forward only.
    erased_at             BIGINT,                 -- when its key was destroyed; the sealed columns are then noise
    written_by            TEXT   NOT NULL         -- transaction that last wrote this row
);
-- Asked by answers_to: what answered this exchange?
CREATE INDEX exchange_answers ON exchange (in_reply_to) WHERE in_reply_to IS NOT NULL;

-- The sealed compartments of one exchange, one ciphertext per data class (length-prefixed list).
CREATE TABLE content (
    exchange_id TEXT PRIMARY KEY REFERENCES exchange,
    sealed      BYTEA NOT NULL,
    written_by  TEXT NOT NULL
);

-- Somebody from whom an exchange is sealed: for them it does not exist. Opaque ids only.
CREATE TABLE exclusion (
    exchange_id TEXT NOT NULL REFERENCES exchange,
    institution TEXT NOT NULL,                    -- '' when one professional is meant
    issuer      TEXT NOT NULL,                    -- '' when an institution is meant
    subject     TEXT NOT NULL,
    written_by  TEXT NOT NULL,
    PRIMARY KEY (exchange_id, institution, issuer, subject)
);

-- A key that an author used for an accepted exchange. Consumed by acceptance, for ever.
CREATE TABLE idempotency (
    institution TEXT NOT NULL,
    author      TEXT NOT NULL,                    -- opaque subject; '' for the institution's systems
    key         TEXT NOT NULL,                    -- blinded: a client may have made it of a name
    exchange_id TEXT NOT NULL REFERENCES exchange,
    mac         BYTEA NOT NULL,                   -- HMAC of the canonical body under the exchange's own key
    written_by  TEXT NOT NULL,
    PRIMARY KEY (institution, author, key)
);
-- Asked by repeated: a repeat whose author can no longer be identified is still a repeat.
CREATE INDEX idempotency_key ON idempotency (institution, key);

-- A promise to hand one exchange to one recipient unit.
CREATE TABLE delivery (
    -- Never changed after insert.
    id              TEXT   PRIMARY KEY,           -- DeliveryId
    exchange_id     TEXT   NOT NULL REFERENCES exchange,
    institution     TEXT   NOT NULL,              -- to whom
    unit            TEXT   NOT NULL,              -- '' for the institution as a whole
    urgency         BIGINT NOT NULL CHECK (urgency BETWEEN 0 AND 3),
    ordering        TEXT   NOT NULL,              -- blinded case; pushes with the same value leave one after the other; '' for no order
    arrival         BIGINT NOT NULL,              -- cursor of the mailbox: grows with each delivery of this gateway
    delivered_at    BIGINT NOT NULL,              -- when it became available in the mailbox

    -- Moves forward only.
    opened_at       BIGINT,                       -- first opening by a named professional
    opened_by       TEXT,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    outcome         TEXT CHECK (outcome IN ('taken-in-charge', 'refused', 'not-for-us')),
    reason          BYTEA,                        -- sealed reason of the acknowledgement

    -- The push of a notice without content. 'none': the unit has no endpoint.
    push            TEXT   NOT NULL CHECK (push IN ('none', 'waiting', 'done', 'dead')),
    attempts        BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT NOT NULL DEFAULT 0,
    leased_until    BIGINT NOT NULL DEFAULT 0,    -- 0 means free to take
    lease_token     BYTEA,                        -- who holds it
    last_fault      TEXT,                         -- code of the last failure, never a text of the partner

    written_by      TEXT   NOT NULL,
    CONSTRAINT lease_has_owner CHECK ((leased_until = 0) = (lease_token IS NULL)),
    CONSTRAINT acknowledged_says_how CHECK ((acknowledged_at IS NULL) = (outcome IS NULL))
);
-- Asked by insert_delivery: what is the last cursor?
CREATE UNIQUE INDEX delivery_arrival ON delivery (arrival);
-- Asked by mailbox: what came to this unit after this cursor and is not acknowledged yet? What is done is not in it.
CREATE INDEX delivery_mailbox ON delivery (institution, unit, arrival) WHERE acknowledged_at IS NULL;
-- Asked by mailbox_immediate: the same, of one urgency.
CREATE INDEX delivery_urgent ON delivery (institution, unit, urgency, arrival) WHERE acknowledged_at IS NULL;
-- Asked by deliveries_of.
CREATE INDEX delivery_exchange ON delivery (exchange_id);
-- Asked by dead_letters: what was given up?
CREATE INDEX delivery_dead ON delivery (arrival) WHERE push = 'dead';
-- Asked by lease_push: what is to be pushed now, urgent first?
CREATE INDEX delivery_push ON delivery (urgency, next_attempt_at) WHERE push = 'waiting';
-- Asked by lease_push: is one of this unit under way?
CREATE INDEX delivery_leased ON delivery (institution, unit, leased_until) WHERE push = 'waiting';
CREATE INDEX delivery_ordering ON delivery (ordering, arrival) WHERE push = 'waiting' AND ordering <> '';

-- One running legal deadline of one exchange.
CREATE TABLE clock (
    id          TEXT   PRIMARY KEY,               -- ClockId
    exchange_id TEXT   NOT NULL REFERENCES exchange,
    name        TEXT   NOT NULL,                  -- of _clocks.toml, `evaluation`
    institution TEXT   NOT NULL,                  -- whose people are reminded
    unit        TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,                  -- the event itself, not its arrival
    limit_at    BIGINT NOT NULL,
    stops       TEXT   NOT NULL,                  -- ' opened acknowledged answered:type recorded:code ': any of these words stops it

    -- Moves forward only.
    fires       TEXT   NOT NULL,                  -- JSON list of instants still to fire, ascending; the limit is one of them
    next_at     BIGINT,                           -- first of `fires`; NULL when nothing is left or the clock stopped
    stopped_at  BIGINT,
    stopped_by  TEXT,                             -- what stopped it: opened, acknowledged, answered, recorded
    written_by  TEXT   NOT NULL
);
-- Asked by due_clocks: what fires now?
CREATE INDEX clock_due ON clock (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX clock_exchange ON clock (exchange_id);
-- Asked by clocks_of: what is due to this unit?
CREATE INDEX clock_owner ON clock (institution, unit, limit_at) WHERE stopped_at IS NULL;

-- What a clock told to whom. At most one row for each (clock, instant): a reminder fires once.
CREATE TABLE reminder (
    clock_id    TEXT   NOT NULL REFERENCES clock,
    due_at      BIGINT NOT NULL,                  -- the instant of the clock that fired
    fired_at    BIGINT NOT NULL,
    stage       TEXT   NOT NULL CHECK (stage IN ('warning', 'overdue', 'escalated')),
    professional TEXT  NOT NULL,                  -- opaque subject of the person told; '' when the unit names nobody
    institution TEXT   NOT NULL,
    unit        TEXT   NOT NULL,
    written_by  TEXT   NOT NULL,
    PRIMARY KEY (clock_id, due_at, stage)
);
CREATE INDEX reminder_owner ON reminder (institution, unit, fired_at);

-- Something a named person still has to do about an exchange.
CREATE TABLE follow_up (
    id          TEXT   PRIMARY KEY,               -- FollowUpId
    exchange_id TEXT   NOT NULL REFERENCES exchange,
    code        TEXT   NOT NULL,                  -- obligation or gateway code, `inform-parents`, `completer`
    institution TEXT   NOT NULL,
    unit        TEXT   NOT NULL,
    opened_at   BIGINT NOT NULL,
    details     TEXT   NOT NULL,                  -- JSON list of field pointers and codes, never a value
    done_at     BIGINT,
    done_by     TEXT,
    written_by  TEXT   NOT NULL
);
CREATE INDEX follow_up_exchange ON follow_up (exchange_id);
CREATE INDEX follow_up_owner ON follow_up (institution, unit, opened_at) WHERE done_at IS NULL;

-- A telephone call about an exchange that could not wait for its reader.
CREATE TABLE telephone_call (
    exchange_id  TEXT   NOT NULL REFERENCES exchange,
    at           BIGINT NOT NULL,
    professional TEXT   NOT NULL,                 -- who called
    reached      BIGINT NOT NULL CHECK (reached IN (0, 1)),
    read_back    TEXT   NOT NULL,                 -- code said and read back on the telephone
    bound_at     BIGINT,                          -- when the recipient's acknowledgement gave the same code
    written_by   TEXT   NOT NULL,
    PRIMARY KEY (exchange_id, at)
);

-- One leaf of the log, written in the transaction of the fact it states.
CREATE TABLE entry (
    id          TEXT   PRIMARY KEY,               -- UUIDv7, in the order of writing
    leaf        BYTEA  NOT NULL,                  -- canonical JSON (RFC 8785)
    leaf_hash   BYTEA  NOT NULL,
    event       TEXT   NOT NULL,
    exchange_id TEXT,                             -- whose openings these are; no foreign key: evidence outlives content
    opening     BYTEA,                            -- sealed salts and values; NULL once expired
    expires_at  BIGINT,                           -- when the opening expires

    -- Written once, by the notary.
    leaf_index  BIGINT,                           -- place in the tree; NULL while pending
    written_by  TEXT   NOT NULL
);
-- Asked by pending_entries: what has no place yet?
CREATE INDEX entry_pending ON entry (id) WHERE leaf_index IS NULL;
CREATE UNIQUE INDEX entry_index ON entry (leaf_index) WHERE leaf_index IS NOT NULL;
CREATE UNIQUE INDEX entry_hash ON entry (leaf_hash);
CREATE INDEX entry_exchange ON entry (exchange_id) WHERE exchange_id IS NOT NULL;

-- Hash tiles of the tree (C2SP tlog-tiles, height 8). The rightmost of each level grows; the others are final.
CREATE TABLE tile (
    level      BIGINT NOT NULL,
    idx        BIGINT NOT NULL,
    width      BIGINT NOT NULL CHECK (width BETWEEN 1 AND 256),
    hashes     BYTEA  NOT NULL,                   -- width × 32 bytes
    written_by TEXT   NOT NULL,
    PRIMARY KEY (level, idx)
);

-- Signed tree heads, all kept: an older one must always be a prefix of a newer one.
CREATE TABLE checkpoint (
    size       BIGINT PRIMARY KEY,
    note       TEXT   NOT NULL,                   -- C2SP signed note
    signed_at  BIGINT NOT NULL,
    written_by TEXT   NOT NULL
);

-- A professional token that its institution revoked before its end.
CREATE TABLE token_revocation (
    issuer     TEXT   NOT NULL,
    jti        TEXT   NOT NULL,                    -- blinded
    until      BIGINT NOT NULL,                   -- after this instant the token has ended anyway
    written_by TEXT   NOT NULL,
    PRIMARY KEY (issuer, jti)
);

-- One row that the readiness probe rewrites: proof that a commit happens now.
CREATE TABLE probe (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    at         BIGINT NOT NULL,
    written_by TEXT   NOT NULL
);
