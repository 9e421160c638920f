-- The decision log in SQLite, from version 1 to version 2: signed checkpoints. Adds, changes nothing.

-- One row a checkpoint, numbered without gaps. `note` is what was signed; `size` is the one in it,
-- and `frontier` the roots of the complete subtrees (the largest first), which add up to its root:
-- enough to go on counting without reading the entries before.
CREATE TABLE checkpoints (
    number   INTEGER PRIMARY KEY CHECK (number >= 1),
    size     INTEGER NOT NULL UNIQUE,
    note     TEXT NOT NULL,
    frontier BLOB NOT NULL
);

CREATE TRIGGER checkpoints_follow BEFORE INSERT ON checkpoints
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM checkpoints)
  OR NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints)
  OR NEW.size > (SELECT size FROM head)
BEGIN SELECT RAISE (ABORT, 'a checkpoint follows the one before it'); END;
CREATE TRIGGER checkpoints_not_updated BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER checkpoints_not_deleted BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

UPDATE schema_version SET version = 2;
