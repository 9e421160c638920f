-- The decision log in SQLite, from version 2 to version 3: keys for sealed payloads, and erasure.
-- Adds; no row that is there changes.

-- A patient's data key, wrapped (`wrapped_key`), and its id, which payloads and envelopes name.
-- NULL: the patient has none yet; payloads from before are not encrypted.
ALTER TABLE patients ADD COLUMN data_key_id TEXT;
CREATE UNIQUE INDEX patients_by_data_key ON patients (data_key_id);

-- The keys of the log itself, for what is about no patient; the newest is in use.
CREATE TABLE log_keys (
    number      INTEGER PRIMARY KEY,
    key_id      TEXT NOT NULL UNIQUE,
    wrapped_key BLOB NOT NULL
);

-- A row gets its key once; after that it may only be wrapped anew.
DROP TRIGGER patients_not_updated;
CREATE TRIGGER patients_not_updated BEFORE UPDATE ON patients
WHEN NEW.lookup_id IS NOT OLD.lookup_id OR NEW.key_id IS NOT OLD.key_id
  OR NEW.salt IS NOT OLD.salt OR NEW.wrapped_key IS NULL OR NEW.data_key_id IS NULL
  OR (OLD.data_key_id IS NOT NULL AND NEW.data_key_id IS NOT OLD.data_key_id)
BEGIN SELECT RAISE (ABORT, 'a patient row is written once'); END;

CREATE TRIGGER log_keys_not_updated BEFORE UPDATE ON log_keys
WHEN NEW.number IS NOT OLD.number OR NEW.key_id IS NOT OLD.key_id
BEGIN SELECT RAISE (ABORT, 'a key of the log is only wrapped anew'); END;
CREATE TRIGGER log_keys_not_deleted BEFORE DELETE ON log_keys
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

-- What no key of the patient seals is deleted when the patient is erased, after the entry about it.
DROP TRIGGER payloads_not_deleted;
CREATE TRIGGER payloads_not_deleted BEFORE DELETE ON payloads
WHEN NOT EXISTS (
    SELECT 1 FROM terms of_event
      JOIN terms erased ON erased.field = 'erased' AND erased.value = of_event.value
     WHERE of_event.seq = OLD.seq AND of_event.field = 'patient')
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

UPDATE schema_version SET version = 3;
