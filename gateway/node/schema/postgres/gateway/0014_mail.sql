-- Secure mail (MSSanté). No name of a person, no content, no subject.

-- A delivery that leaves for a partner as a mail: under the same Message-ID at each try, so that whoever gets it twice knows it.
CREATE TABLE mail_sent (
    -- Never changed after insert.
    delivery_id TEXT   PRIMARY KEY REFERENCES delivery,
    partner     TEXT   NOT NULL,                  -- institution whose mailbox it goes to
    message_id  TEXT   NOT NULL UNIQUE,           -- without its brackets
    named_at    BIGINT NOT NULL,                  -- the date in its head, at each try

    -- Moves forward only.
    content     BIGINT NOT NULL                   -- 0: the last try was a notice without content
                CHECK (content IN (0, 1)),
    sent_at     BIGINT,                           -- when the operator took it over
    due_at      BIGINT,                           -- until when a notice of disposition is awaited; NULL: none is
    disposition TEXT CHECK (disposition IN ('processed', 'dispatched', 'displayed', 'deleted', 'failed')),
    disposed_at BIGINT,                           -- when that was read
    written_by  TEXT   NOT NULL,
    CONSTRAINT disposed_says_when CHECK ((disposition IS NULL) = (disposed_at IS NULL))
);
-- Asked by overdue_mails: of which mail did no notice come in time?
CREATE INDEX mail_awaited ON mail_sent (due_at) WHERE due_at IS NOT NULL;
