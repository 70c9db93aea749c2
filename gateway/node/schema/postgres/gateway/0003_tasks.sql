-- Tasks with a life of their own, and emergency accesses with their review. Nothing here is content in clear: words that a
-- person wrote are sealed under the exchange's key and die with it.

-- A task may belong to a function of the directory ('dpo', 'cadre-crip') instead of a unit: then `unit` is ''.
ALTER TABLE follow_up ADD COLUMN role TEXT NOT NULL DEFAULT '';
-- Until when the task waits; NULL: it does not, or it came back.
ALTER TABLE follow_up ADD COLUMN deferred_until BIGINT;
-- The same function, for the clock that reminds of such a task and for what was told.
ALTER TABLE clock ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE reminder ADD COLUMN role TEXT NOT NULL DEFAULT '';

-- What a named person said of a task that ended. Never changed after insert.
CREATE TABLE task_record (
    follow_up_id TEXT   PRIMARY KEY REFERENCES follow_up,
    outcome      TEXT   NOT NULL CHECK (outcome IN ('done', 'dispensed')),
    done_on      TEXT   NOT NULL,                 -- the day it was done, YYYY-MM-DD, not the day it was recorded
    means        TEXT,                            -- code of CL-moyen
    basis        TEXT,                            -- code of CL-base-report, when the law lets it not be done
    finding      TEXT,                            -- code of CL-constat
    carried_by   TEXT,                            -- the exchange by which it was done
    departement  TEXT,                            -- INSEE code of where it went
    words        BYTEA,                           -- sealed
    at           BIGINT NOT NULL,
    professional TEXT   NOT NULL,                 -- opaque subject
    written_by   TEXT   NOT NULL,
    CONSTRAINT a_dispense_has_its_basis CHECK ((outcome = 'dispensed') = (basis IS NOT NULL))
);

-- One decision to let a task wait. Never changed after insert.
CREATE TABLE deferral (
    follow_up_id TEXT   NOT NULL REFERENCES follow_up,
    at           BIGINT NOT NULL,
    until_at     BIGINT NOT NULL,                 -- then the task comes back
    basis        TEXT   NOT NULL,                 -- code of CL-base-report
    words        BYTEA  NOT NULL,                 -- sealed: the document, who asked for it
    professional TEXT   NOT NULL,                 -- who decided: opaque subject
    written_by   TEXT   NOT NULL,
    PRIMARY KEY (follow_up_id, at),
    CONSTRAINT a_deferral_ends CHECK (until_at > at)
);

-- One emergency access: who may read which classes of what, and until when.
CREATE TABLE break_glass (
    -- Never changed after insert.
    id           TEXT   PRIMARY KEY,              -- GrantId
    exchange_id  TEXT   NOT NULL REFERENCES exchange,
    delivery_id  TEXT   NOT NULL,                 -- by which it is read
    institution  TEXT   NOT NULL,                 -- of the reader, which is the recipient's
    issuer       TEXT   NOT NULL,                 -- the reader, by opaque id
    subject      TEXT   NOT NULL,
    classes      TEXT   NOT NULL,                 -- JSON list of the data classes asked for
    rules        TEXT   NOT NULL,                 -- JSON list of the rules that decided
    reason       BYTEA  NOT NULL,                 -- sealed
    granted_at   BIGINT NOT NULL,
    until_at     BIGINT NOT NULL,

    -- Moves forward only.
    uses         BIGINT NOT NULL,                 -- how often something was read under it
    written_by   TEXT   NOT NULL,
    CONSTRAINT an_emergency_ends CHECK (until_at > granted_at)
);
-- Asked by grant_in_force: may this person still read under an earlier reason?
CREATE INDEX break_glass_reader ON break_glass (exchange_id, issuer, subject, until_at);
-- Asked by grants: what emergency accesses were there in this institution, newest first?
CREATE INDEX break_glass_institution ON break_glass (institution, granted_at);

-- The tasks in which one emergency access is reviewed.
CREATE TABLE break_glass_review (
    grant_id     TEXT   NOT NULL REFERENCES break_glass,
    follow_up_id TEXT   NOT NULL REFERENCES follow_up,
    written_by   TEXT   NOT NULL,
    PRIMARY KEY (grant_id, follow_up_id)
);
-- Asked by grant_of_review: which access does this task review?
CREATE UNIQUE INDEX break_glass_review_task ON break_glass_review (follow_up_id);
