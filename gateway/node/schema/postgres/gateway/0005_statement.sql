-- What the sender of an exchange states for the law and not for the recipient: why sharing is strictly necessary
-- (CASF L226-2-2). Evidence of the sender, sealed under the exchange's own key and dropped with its content.
CREATE TABLE statement (
    exchange_id TEXT PRIMARY KEY REFERENCES exchange,
    sealed      BYTEA NOT NULL,
    written_by  TEXT NOT NULL
);
