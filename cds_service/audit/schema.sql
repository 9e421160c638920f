-- The decision log in SQLite, version 1.
--
-- SQLite has no roles, so the triggers below and the file's mode are all that holds a program to
-- "append only". Whoever owns the file can drop them: that is what the chain is for.

CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);

-- What the chain begins with: the log's id, written once.
CREATE TABLE log (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    log_id     TEXT NOT NULL,
    first_link BLOB NOT NULL
);

-- How far the chain goes. The one row that changes, and only together with a new event.
CREATE TABLE head (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    size      INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL
);

-- One row an event. `envelope` is what was hashed; every other column is derived from it.
-- `seq` is counted from the head row, not by the database: a number that a rollback burns would
-- look like a deleted event.
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY CHECK (seq >= 1),
    prev_hash   BLOB NOT NULL UNIQUE,
    leaf_hash   BLOB NOT NULL,
    event_id    TEXT NOT NULL UNIQUE,
    event_type  TEXT NOT NULL,
    decision_id TEXT,
    recorded_at TEXT NOT NULL,
    envelope    BLOB NOT NULL,
    -- so that a decision id stands once, too
    CHECK (event_type <> 'decision' OR decision_id = event_id)
);
CREATE INDEX events_about ON events (decision_id) WHERE decision_id <> event_id;
CREATE INDEX events_of_type ON events (event_type, seq);
CREATE INDEX events_by_time ON events (recorded_at);

-- What an event can be found by: disease, status, advice, service, hook, outcome, card, patient.
CREATE TABLE terms (
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (field, value, seq)
) WITHOUT ROWID;
CREATE INDEX terms_of_event ON terms (seq);

-- What holds patient data. The envelope has the digest of `nonce` and `stored`.
CREATE TABLE payloads (
    seq    INTEGER NOT NULL,
    name   TEXT NOT NULL,
    scheme TEXT NOT NULL,
    key_id TEXT,
    nonce  BLOB NOT NULL,
    stored BLOB NOT NULL,
    PRIMARY KEY (seq, name)
);

-- What ties a patient to a pseudonym, under a keyed hash of the id. Not part of the log: a row may
-- be deleted, and then the pseudonym can never be made again.
CREATE TABLE patients (
    lookup_id   BLOB PRIMARY KEY,
    key_id      TEXT NOT NULL,
    salt        BLOB NOT NULL,
    wrapped_key BLOB
) WITHOUT ROWID;

CREATE TRIGGER log_stays_one BEFORE INSERT ON log WHEN EXISTS (SELECT 1 FROM log)
BEGIN SELECT RAISE (ABORT, 'the log has begun'); END;
CREATE TRIGGER log_not_updated BEFORE UPDATE ON log
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER log_not_deleted BEFORE DELETE ON log
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

CREATE TRIGGER head_stays_one BEFORE INSERT ON head WHEN EXISTS (SELECT 1 FROM head)
BEGIN SELECT RAISE (ABORT, 'there is one head'); END;
CREATE TRIGGER head_moves_by_one BEFORE UPDATE ON head
WHEN NEW.size IS NOT OLD.size + 1
  OR NEW.leaf_hash IS NOT (SELECT leaf_hash FROM events WHERE seq = NEW.size)
BEGIN SELECT RAISE (ABORT, 'the head follows the newest event'); END;
CREATE TRIGGER head_not_deleted BEFORE DELETE ON head
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

-- BEFORE INSERT, so that INSERT OR REPLACE cannot take the place of an event either.
CREATE TRIGGER events_follow_head BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT size + 1 FROM head)
  OR NEW.prev_hash IS NOT (SELECT leaf_hash FROM head)
BEGIN SELECT RAISE (ABORT, 'an event follows the head'); END;
CREATE TRIGGER events_move_head AFTER INSERT ON events
BEGIN UPDATE head SET size = NEW.seq, leaf_hash = NEW.leaf_hash; END;
CREATE TRIGGER events_not_updated BEFORE UPDATE ON events
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

-- Terms and payloads are written before their event, never after it.
CREATE TRIGGER terms_come_first BEFORE INSERT ON terms
WHEN NEW.seq <= (SELECT size FROM head)
BEGIN SELECT RAISE (ABORT, 'the event is already written'); END;
CREATE TRIGGER terms_not_updated BEFORE UPDATE ON terms
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER terms_not_deleted BEFORE DELETE ON terms
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

CREATE TRIGGER payloads_come_first BEFORE INSERT ON payloads
WHEN NEW.seq <= (SELECT size FROM head)
BEGIN SELECT RAISE (ABORT, 'the event is already written'); END;
CREATE TRIGGER payloads_not_updated BEFORE UPDATE ON payloads
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;
CREATE TRIGGER payloads_not_deleted BEFORE DELETE ON payloads
BEGIN SELECT RAISE (ABORT, 'the decision log is append-only'); END;

CREATE TRIGGER patients_not_updated BEFORE UPDATE ON patients
BEGIN SELECT RAISE (ABORT, 'a patient row is written once'); END;
