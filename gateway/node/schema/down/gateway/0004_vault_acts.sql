-- Back before 0004. Refused while one of these holds anything, since it would be lost:
-- loses: reidentification
-- loses: known_question
DROP TABLE known_question;
DROP TABLE reidentification_approval;
DROP TABLE reidentification;
