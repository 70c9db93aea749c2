-- Drops: files that are exchanged with partners over SFTP. No name of a person, no content, no key.

-- A delivery that leaves for a partner in a drop, by the number of that drop: the same number at each try.
CREATE TABLE drop_sent (
    -- Never changed after insert.
    delivery_id TEXT   PRIMARY KEY REFERENCES delivery,
    partner     TEXT   NOT NULL,                  -- institution that gets it
    sequence    BIGINT NOT NULL                   -- its drops are numbered from 1, without gaps
                CHECK (sequence > 0),
    numbered_at BIGINT NOT NULL,                  -- the instant in its list, at each try

    -- Moves forward only.
    content     BIGINT NOT NULL                   -- 0: the last try was a notice without content
                CHECK (content IN (0, 1)),
    answered_at BIGINT,                           -- when its acknowledgement was read
    outcome     TEXT CHECK (outcome IN ('accepted', 'refused')),
    written_by  TEXT   NOT NULL,
    UNIQUE (partner, sequence),
    CONSTRAINT answered_says_how CHECK ((answered_at IS NULL) = (outcome IS NULL))
);

-- A drop that a partner left and that was decided: what is answered, byte for byte, however often it is asked. Never changed.
CREATE TABLE drop_received (
    partner    TEXT   NOT NULL,                   -- institution that left it
    sequence   BIGINT NOT NULL CHECK (sequence > 0),
    manifest   BYTEA  NOT NULL,                   -- SHA-256 of its list
    outcome    TEXT   NOT NULL CHECK (outcome IN ('accepted', 'refused')),
    answer     BYTEA  NOT NULL,                   -- the acknowledgement: ids of exchanges, places and codes, nothing that stood there
    signature  BYTEA  NOT NULL,                   -- the detached signature over it
    at         BIGINT NOT NULL,
    written_by TEXT   NOT NULL,
    PRIMARY KEY (partner, sequence)
);

-- Whose turn it is to look into a partner's folder.
CREATE TABLE drop_turn (
    partner      TEXT   PRIMARY KEY,
    leased_until BIGINT NOT NULL,                 -- 0 means free to take
    lease_token  BYTEA,                           -- who holds it
    written_by   TEXT   NOT NULL,
    CONSTRAINT turn_has_owner CHECK ((leased_until = 0) = (lease_token IS NULL))
);
