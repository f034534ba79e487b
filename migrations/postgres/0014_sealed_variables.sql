-- Variables that runs do not see, but may have sent to certain hosts. The SQLite folder has the same tables and
-- columns.

ALTER TABLE variables
    -- As the API writes hosts. They are bound into the ciphertext: a list that is changed here opens nothing.
    ADD COLUMN allowed_hosts JSONB,
    DROP CONSTRAINT variables_kind_check,
    -- Those of `ciphertext` and `key_version`.
    DROP CONSTRAINT variables_check2,
    DROP CONSTRAINT variables_check3,
    ADD CONSTRAINT variables_kind_check CHECK (kind IN ('plain', 'secret', 'sealed')),
    ADD CONSTRAINT variables_ciphertext_check
        CHECK ((kind IN ('secret', 'sealed')) = (ciphertext IS NOT NULL)),
    ADD CONSTRAINT variables_key_version_check
        CHECK ((kind IN ('secret', 'sealed')) = (key_version IS NOT NULL)),
    ADD CONSTRAINT variables_allowed_hosts_check
        CHECK ((kind = 'sealed') = (allowed_hosts IS NOT NULL));
