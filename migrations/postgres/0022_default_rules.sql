-- What scripts that are made in a project begin with. The SQLite folder has the same tables and columns.

-- As `store::alerts::defaults` writes them.
ALTER TABLE projects ADD COLUMN default_alert_rules JSONB NOT NULL DEFAULT '[]';
