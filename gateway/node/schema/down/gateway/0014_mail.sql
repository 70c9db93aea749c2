-- Back before 0014. Refused while mails left: they would leave again under other names.
-- loses: mail_sent
DROP TABLE mail_sent;
