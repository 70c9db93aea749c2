-- Back before 0003. Refused while one of these holds anything, since it would be lost:
-- loses: break_glass
-- loses: task_record
-- loses: deferral
-- loses: follow_up WHERE role <> '' OR deferred_until IS NOT NULL
-- loses: clock WHERE role <> ''
-- loses: reminder WHERE role <> ''
DROP TABLE break_glass_review;
DROP TABLE break_glass;
DROP TABLE deferral;
DROP TABLE task_record;
ALTER TABLE reminder DROP COLUMN role;
ALTER TABLE clock DROP COLUMN role;
ALTER TABLE follow_up DROP COLUMN deferred_until;
ALTER TABLE follow_up DROP COLUMN role;
