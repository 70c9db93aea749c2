-- With what a provider is told that somebody has signed out here: its ID token, sealed. Absent where it takes no such word.
ALTER TABLE portal_session ADD COLUMN hint BYTEA;
