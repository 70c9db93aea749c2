-- Back before 0005. Refused while this holds anything, since it would be lost:
-- loses: statement
DROP TABLE statement;
