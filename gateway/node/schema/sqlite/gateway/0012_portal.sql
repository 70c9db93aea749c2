-- Who is signed in to the portal. The id that the browser holds is nowhere: only what a key makes of it.
CREATE TABLE portal_session (
    -- Never changed after insert.
    digest      TEXT   PRIMARY KEY,               -- keyed digest of the id in the cookie
    institution TEXT   NOT NULL,                  -- of the certificate and of the professional
    issuer      TEXT   NOT NULL,                  -- of the professional
    subject     TEXT   NOT NULL,
    thumbprint  TEXT   NOT NULL,                  -- SHA-256 of the certificate: under another one there is no session
    ends_at     BIGINT NOT NULL,                  -- Unix ms: over, however busy

    -- Moves forward only.
    idle_at     BIGINT NOT NULL,                  -- Unix ms: over unless something is asked before
    written_by  TEXT   NOT NULL
);
-- Asked by drop_sessions: what is over?
CREATE INDEX portal_session_ends ON portal_session (ends_at);

-- What somebody has begun to write and not sent. Sealed: nobody but its author opens it, and never for long.
CREATE TABLE portal_draft (
    id          TEXT   PRIMARY KEY,               -- also the idempotency key of what becomes of it
    institution TEXT   NOT NULL,
    issuer      TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    sealed      BLOB   NOT NULL,                  -- empty once it was sent
    exchange_id TEXT,                             -- what became of it
    ends_at     BIGINT NOT NULL,                  -- Unix ms: deleted
    written_by  TEXT   NOT NULL
);
-- Asked by drafts_of: what has this person begun?
CREATE INDEX portal_draft_author ON portal_draft (institution, issuer, subject, id);
-- Asked by drop_drafts: what is over?
CREATE INDEX portal_draft_ends ON portal_draft (ends_at);

-- Asked by sent_by: what has this person sent?
CREATE INDEX exchange_author ON exchange (sender_institution, sender_professional, id);
