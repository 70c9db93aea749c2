-- Acts about persons rather than documents. No identity and no pseudonym is in clear here.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. Identifiers are lower-case UUIDv7.

-- A professional's request to be told who stands behind one pseudonym. Kept for ever: who asked is part of the evidence.
CREATE TABLE reidentification (
    -- Never changed after insert.
    id           TEXT   PRIMARY KEY,
    institution  TEXT   NOT NULL,                 -- of who asks: the institution that keeps the vault
    issuer       TEXT   NOT NULL,                 -- who asks, opaque
    subject      TEXT   NOT NULL,
    recipient    TEXT   NOT NULL,                 -- the domain: institution to which the pseudonym was given
    purpose      TEXT   NOT NULL,
    agreement    TEXT   NOT NULL,                 -- '' for none
    sealed       BYTEA  NOT NULL,                 -- pseudonym and reason; authenticates the id
    requested_at BIGINT NOT NULL,

    -- Set once, before anything is shown.
    used_at      BIGINT,
    written_by   TEXT   NOT NULL
);
-- Asked by recent_reidentifications: how often did this person ask lately?
CREATE INDEX reidentification_asker ON reidentification (issuer, subject, requested_at);
-- Asked by reidentifications: what was asked in this institution, newest first?
CREATE INDEX reidentification_institution ON reidentification (institution, requested_at);

-- One person's approval. Never changed, never deleted. What functions that person has, the directory says when it is used.
CREATE TABLE reidentification_approval (
    request_id TEXT   NOT NULL REFERENCES reidentification,
    issuer     TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    written_by TEXT   NOT NULL,
    PRIMARY KEY (request_id, issuer, subject)
);

-- Whom a question « dossier connu ? » is about. Never changed after insert. The question itself is an exchange, as is its
-- answer; here stands which subject of which exchange of the asking unit is meant.
CREATE TABLE known_question (
    question_id    TEXT   PRIMARY KEY REFERENCES exchange,
    about_exchange TEXT   NOT NULL,               -- no foreign key: it may be erased before the answer
    about_n        BIGINT NOT NULL,               -- place among its subjects, from 0
    institution    TEXT   NOT NULL,               -- the unit that asks
    unit           TEXT   NOT NULL,
    case_blinded   TEXT   NOT NULL,               -- blinded: a case may bear a name
    asked_by       TEXT   NOT NULL,               -- opaque subject
    asked_at       BIGINT NOT NULL,
    written_by     TEXT   NOT NULL
);
-- Asked by known_questions_of: how many questions has this case put?
CREATE INDEX known_question_case ON known_question (institution, unit, case_blinded);
-- Asked by known_questions_by: how many has this person put lately?
CREATE INDEX known_question_asker ON known_question (institution, asked_by, asked_at);
