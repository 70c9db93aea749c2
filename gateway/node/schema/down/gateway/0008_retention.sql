DROP INDEX entry_expiry;
DROP INDEX exchange_kept;
ALTER TABLE exchange DROP COLUMN kept_since;
