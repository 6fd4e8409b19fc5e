-- A flow is opened in one browser: when a second caller was told to open one,
-- since no redirect had come.
ALTER TABLE flows ADD COLUMN second_opening_at INTEGER;
