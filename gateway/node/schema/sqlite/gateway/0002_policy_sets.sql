-- The rules as data of their own: each policy set that was ever proposed, whole, and who put which one in force.
-- Holds no identity beyond the opaque subjects of the professionals who proposed and approved.

-- One policy set. Never changed, never deleted: a decision of its day is asked again with it.
CREATE TABLE policy_set (
    hash       TEXT   PRIMARY KEY,               -- hex SHA-256 over the names and texts of all files
    files      BLOB   NOT NULL,                  -- canonical JSON (RFC 8785): file name to text
    kept_at    BIGINT NOT NULL,                  -- Unix ms
    written_by TEXT   NOT NULL
);

-- One proposal to put a set in force. A set may be proposed again: that is how one goes back.
CREATE TABLE policy_proposal (
    -- Never changed after insert.
    id             TEXT   PRIMARY KEY,           -- UUIDv7, in the order of proposing
    set_hash       TEXT   NOT NULL REFERENCES policy_set,
    against        TEXT,                         -- set in force when it was proposed; NULL: the first set of this gateway
    author_issuer  TEXT,                         -- NULL: the first set of this gateway, which nobody proposed
    author_subject TEXT,
    motive         TEXT   NOT NULL,
    proposed_at    BIGINT NOT NULL,
    effective_from BIGINT,                       -- not before this instant; NULL: at the second approval

    -- Moves forward only.
    state          TEXT   NOT NULL CHECK (state IN ('proposed', 'approved', 'in-force', 'ended', 'dropped', 'withdrawn')),
    in_force_from  BIGINT,                       -- when it took force
    in_force_until BIGINT,                       -- when another took its place
    withdrawn_at   BIGINT,                       -- when somebody took the proposal back, and who
    withdrawn_issuer  TEXT,
    withdrawn_subject TEXT,
    written_by     TEXT   NOT NULL,
    CONSTRAINT author_is_whole CHECK ((author_issuer IS NULL) = (author_subject IS NULL)),
    CONSTRAINT force_has_a_date CHECK ((state IN ('in-force', 'ended')) = (in_force_from IS NOT NULL)),
    CONSTRAINT end_has_a_date CHECK ((state = 'ended') = (in_force_until IS NOT NULL)),
    CONSTRAINT withdrawal_has_a_date CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL)),
    CONSTRAINT withdrawal_is_somebodys CHECK ((withdrawn_at IS NULL) = (withdrawn_issuer IS NULL)
                                          AND (withdrawn_at IS NULL) = (withdrawn_subject IS NULL))
);
-- Asked by policy_in_force: which set is in force? One at most.
CREATE UNIQUE INDEX policy_proposal_in_force ON policy_proposal (state) WHERE state = 'in-force';
-- Asked by policy_open: is this set waiting for approvals? Once at most.
CREATE UNIQUE INDEX policy_proposal_waiting ON policy_proposal (set_hash) WHERE state IN ('proposed', 'approved');
-- Asked by policy_due: which approved set may take force now?
CREATE INDEX policy_proposal_due ON policy_proposal (effective_from) WHERE state = 'approved';

-- One approval of one proposal, by a person in one capacity. Never changed.
CREATE TABLE policy_approval (
    proposal_id TEXT   NOT NULL REFERENCES policy_proposal,
    issuer      TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    role        TEXT   NOT NULL,                 -- in which capacity
    at          BIGINT NOT NULL,
    written_by  TEXT   NOT NULL,
    PRIMARY KEY (proposal_id, issuer, subject),  -- one person, one approval
    CONSTRAINT one_capacity_once UNIQUE (proposal_id, role)
);
