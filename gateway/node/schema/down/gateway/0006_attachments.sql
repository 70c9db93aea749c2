-- Back before 0006. Refused while this holds anything, since it would be lost:
-- loses: attachment
DROP TABLE attachment;
