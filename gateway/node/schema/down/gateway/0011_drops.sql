-- Back before 0011. Refused while drops were exchanged: their numbers would begin again.
-- loses: drop_sent
-- loses: drop_received
DROP TABLE drop_turn;
DROP TABLE drop_received;
DROP TABLE drop_sent;
