-- Back before 0011. Refused while somebody has written what is not sent; who is signed in signs in again.
-- loses: portal_draft WHERE exchange_id IS NULL
DROP INDEX exchange_author;
DROP TABLE portal_draft;
DROP TABLE portal_session;
