-- When it was last looked what is over: a clock that has run far ahead since is not believed at once.
CREATE TABLE retention_look (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    at         BIGINT NOT NULL,
    written_by TEXT   NOT NULL
);
