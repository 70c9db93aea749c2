-- Which attachments an exchange brings. What they are (class, size, digest) and the key of each are sealed under the
-- exchange's own key; their bytes lie in the database of attachments.
CREATE TABLE attachment (
    exchange_id   TEXT   NOT NULL REFERENCES exchange,
    n             BIGINT NOT NULL,                -- its place in attachments[] of the envelope
    attachment_id TEXT   NOT NULL,                -- AttachmentId; a copy that the gateway makes names the same one
    sealed        BYTEA  NOT NULL,
    written_by    TEXT   NOT NULL,
    PRIMARY KEY (exchange_id, n)
);

CREATE INDEX attachment_named ON attachment (attachment_id);
