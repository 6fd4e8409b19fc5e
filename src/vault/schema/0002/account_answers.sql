-- Whether a person answered that the login's account is not the account that
-- was to be renewed. The question is then not asked again.
ALTER TABLE flows ADD COLUMN is_other_account INTEGER NOT NULL DEFAULT 0;
