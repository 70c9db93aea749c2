-- Back before 0013. Who signs out then stays signed in at the provider.
ALTER TABLE portal_session DROP COLUMN hint;
