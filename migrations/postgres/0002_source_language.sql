-- What a source is written in. Everything saved so far is JavaScript.

ALTER TABLE scripts ADD COLUMN language VARCHAR(16) NOT NULL DEFAULT 'javascript'
    CHECK (language IN ('javascript', 'typescript'));
ALTER TABLE script_versions ADD COLUMN language VARCHAR(16) NOT NULL DEFAULT 'javascript'
    CHECK (language IN ('javascript', 'typescript'));
