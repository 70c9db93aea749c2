-- Back before 0009. Refused while anything was corrected or withdrawn, since that would be lost:
-- loses: exchange WHERE rectifies IS NOT NULL OR withdrawn_at IS NOT NULL
-- loses: withdrawal
DROP TABLE withdrawal;
ALTER TABLE delivery DROP COLUMN replaced_at;
ALTER TABLE delivery DROP COLUMN notice;
DROP INDEX exchange_corrections;
ALTER TABLE exchange DROP COLUMN withdrawn_at;
ALTER TABLE exchange DROP COLUMN rectifies;
