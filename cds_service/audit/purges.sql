-- The decision log in SQLite, from version 3 to version 4: purges. No row that is there changes.

-- A payload is deleted after the entry that tells of it: when its patient is erased, or when it was
-- purged by its age. Search terms of a purge are runs of entries, `part/first-last`, in 20 digits;
-- those of one part do not overlap. Whatever an entry says, nothing younger than six months goes,
-- nor what old decisions are understood by.
DROP TRIGGER payloads_not_deleted;
CREATE TRIGGER payloads_not_deleted BEFORE DELETE ON payloads
WHEN NOT EXISTS (
    SELECT 1 FROM terms of_event
      JOIN terms erased ON erased.field = 'erased' AND erased.value = of_event.value
     WHERE of_event.seq = OLD.seq AND of_event.field = 'patient')
 AND (
    OLD.name IN ('package', 'configuration')
    OR coalesce((SELECT recorded_at FROM events WHERE seq = OLD.seq), '9')
       >= strftime('%Y-%m-%dT%H:%M:%f', 'now', '-6 months')
    OR OLD.seq > max(
        coalesce((SELECT CAST(substr(value, -20) AS INTEGER) FROM terms
                   WHERE field = 'purged' AND value >= 'contents/'
                     AND value < printf('contents/%020d~', OLD.seq)
                   ORDER BY value DESC LIMIT 1), 0),
        coalesce((SELECT CAST(substr(value, -20) AS INTEGER) FROM terms
                   WHERE field = 'purged' AND value >= 'identities/'
                     AND value < printf('identities/%020d~', OLD.seq)
                   ORDER BY value DESC LIMIT 1), 0)))
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

UPDATE schema_version SET version = 4;
