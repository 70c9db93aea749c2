DROP TABLE retention_look;
