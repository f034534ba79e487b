-- What scripts that are made in a project begin with. The PostgreSQL folder has the same tables and columns.

-- As `store::alerts::defaults` writes them.
ALTER TABLE projects ADD COLUMN default_alert_rules TEXT NOT NULL DEFAULT '[]';
