-- The decision log in PostgreSQL. Runs as the owner of the schema, which exists.
--
-- The tables are those of SQLite. Text is compared byte by byte. No function trusts a search path.

-- What the chain begins with: the log's id, written once.
CREATE TABLE refractory_cds.log (
    one        integer PRIMARY KEY CHECK (one = 1),
    log_id     text COLLATE "C" NOT NULL,
    first_link bytea NOT NULL
);

-- How far the chain goes, and the one lock of all writers.
CREATE TABLE refractory_cds.head (
    one       integer PRIMARY KEY CHECK (one = 1),
    size      bigint NOT NULL,
    leaf_hash bytea NOT NULL
) WITH (fillfactor = 10);

-- One row an event. `envelope` is what was hashed; every other column is derived from it.
-- `seq` is counted from the head row, not by a sequence: those leave gaps.
CREATE TABLE refractory_cds.events (
    seq         bigint PRIMARY KEY CHECK (seq >= 1),
    prev_hash   bytea NOT NULL UNIQUE,
    leaf_hash   bytea NOT NULL,
    event_id    text COLLATE "C" NOT NULL UNIQUE,
    event_type  text COLLATE "C" NOT NULL,
    decision_id text COLLATE "C",
    recorded_at text COLLATE "C" NOT NULL,
    envelope    bytea NOT NULL,
    CHECK (event_type <> 'decision' OR decision_id = event_id)
);
CREATE UNIQUE INDEX events_decision ON refractory_cds.events (decision_id)
 WHERE event_type = 'decision';
CREATE INDEX events_about ON refractory_cds.events (decision_id) WHERE decision_id <> event_id;
CREATE INDEX events_of_type ON refractory_cds.events (event_type, seq);
CREATE INDEX events_by_time ON refractory_cds.events (recorded_at);

-- What an event can be found by.
CREATE TABLE refractory_cds.terms (
    field text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    seq   bigint NOT NULL,
    PRIMARY KEY (field, value, seq)
);
CREATE INDEX terms_of_event ON refractory_cds.terms (seq);

-- What holds patient data, encrypted. The envelope has the digest of `nonce` and `stored`.
CREATE TABLE refractory_cds.payloads (
    seq    bigint NOT NULL,
    name   text COLLATE "C" NOT NULL,
    scheme text COLLATE "C" NOT NULL,
    key_id text COLLATE "C",
    nonce  bytea NOT NULL,
    stored bytea NOT NULL,
    PRIMARY KEY (seq, name)
);
-- It is compressed already.
ALTER TABLE refractory_cds.payloads ALTER COLUMN stored SET STORAGE EXTERNAL;

-- What ties a patient to a pseudonym and to the key of the payloads. Deleted by an erasure.
CREATE TABLE refractory_cds.patients (
    lookup_id   bytea PRIMARY KEY,
    key_id      text COLLATE "C" NOT NULL,
    salt        bytea NOT NULL,
    wrapped_key bytea,
    data_key_id text COLLATE "C" UNIQUE
);

-- The keys of the log itself, for what is about no patient; the newest is in use.
CREATE TABLE refractory_cds.log_keys (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id      text COLLATE "C" NOT NULL UNIQUE,
    wrapped_key bytea NOT NULL
);

-- Signed checkpoints, numbered without gaps.
CREATE TABLE refractory_cds.checkpoints (
    number   bigint PRIMARY KEY CHECK (number >= 1),
    size     bigint NOT NULL UNIQUE,
    note     text NOT NULL,
    frontier bytea NOT NULL
);

-- What hosts share of their callers: no part of the log. Reached through functions alone.
CREATE TABLE refractory_cds.seen_tokens (
    token      bytea PRIMARY KEY,
    good_until double precision NOT NULL
);
CREATE INDEX seen_tokens_until ON refractory_cds.seen_tokens (good_until);
CREATE TABLE refractory_cds.calls (
    caller bytea PRIMARY KEY,
    began  double precision NOT NULL,
    taken  integer NOT NULL
);

-- Guards --------------------------------------------------------------------------------------

CREATE FUNCTION refractory_cds.refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the decision log is append-only'
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;

CREATE FUNCTION refractory_cds.event_follows_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM refractory_cds.head
                    WHERE size + 1 = NEW.seq AND leaf_hash = NEW.prev_hash) THEN
        RAISE EXCEPTION 'an event follows the head' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- The only way by which the head moves: with a new event.
CREATE FUNCTION refractory_cds.event_moves_head() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE refractory_cds.head SET size = NEW.seq, leaf_hash = NEW.leaf_hash;
    RETURN NULL;
END $$;

CREATE FUNCTION refractory_cds.head_moves_by_one() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.size IS DISTINCT FROM OLD.size + 1 OR NEW.leaf_hash IS DISTINCT FROM
       (SELECT leaf_hash FROM refractory_cds.events WHERE seq = NEW.size) THEN
        RAISE EXCEPTION 'the head follows the newest event'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

-- Terms and payloads are written before their event, never after it.
CREATE FUNCTION refractory_cds.rows_come_first() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM new_rows
                WHERE seq <= (SELECT size FROM refractory_cds.head)) THEN
        RAISE EXCEPTION 'the event is already written'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refractory_cds.only_of_an_erased_patient() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM refractory_cds.terms of_event
                     JOIN refractory_cds.terms erased
                       ON erased.field = 'erased' AND erased.value = of_event.value
                    WHERE of_event.seq = OLD.seq AND of_event.field = 'patient') THEN
        RAISE EXCEPTION 'the decision log is append-only'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION refractory_cds.patient_is_written_once() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.lookup_id <> OLD.lookup_id OR NEW.key_id <> OLD.key_id OR NEW.salt <> OLD.salt
       OR NEW.wrapped_key IS NULL OR NEW.data_key_id IS NULL
       OR (OLD.data_key_id IS NOT NULL AND NEW.data_key_id <> OLD.data_key_id) THEN
        RAISE EXCEPTION 'a patient row is written once'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refractory_cds.key_is_only_wrapped_anew() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.number <> OLD.number OR NEW.key_id <> OLD.key_id THEN
        RAISE EXCEPTION 'a key of the log is only wrapped anew'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refractory_cds.checkpoint_follows() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.number IS DISTINCT FROM
           (SELECT coalesce(max(number), 0) + 1 FROM refractory_cds.checkpoints)
       OR NEW.size <= (SELECT coalesce(max(size), 0) FROM refractory_cds.checkpoints)
       OR NEW.size > (SELECT size FROM refractory_cds.head) THEN
        RAISE EXCEPTION 'a checkpoint follows the one before it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER log_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON refractory_cds.log
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER head_moves BEFORE UPDATE ON refractory_cds.head
FOR EACH ROW EXECUTE FUNCTION refractory_cds.head_moves_by_one();
CREATE TRIGGER head_not_removed BEFORE DELETE OR TRUNCATE ON refractory_cds.head
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER events_follow BEFORE INSERT ON refractory_cds.events
FOR EACH ROW EXECUTE FUNCTION refractory_cds.event_follows_head();
CREATE TRIGGER events_move AFTER INSERT ON refractory_cds.events
FOR EACH ROW EXECUTE FUNCTION refractory_cds.event_moves_head();
CREATE TRIGGER events_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON refractory_cds.events
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER terms_come_first AFTER INSERT ON refractory_cds.terms
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.rows_come_first();
CREATE TRIGGER terms_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON refractory_cds.terms
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER payloads_come_first AFTER INSERT ON refractory_cds.payloads
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.rows_come_first();
CREATE TRIGGER payloads_not_changed BEFORE UPDATE OR TRUNCATE ON refractory_cds.payloads
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();
CREATE TRIGGER payloads_not_deleted BEFORE DELETE ON refractory_cds.payloads
FOR EACH ROW EXECUTE FUNCTION refractory_cds.only_of_an_erased_patient();

CREATE TRIGGER patients_written_once BEFORE UPDATE ON refractory_cds.patients
FOR EACH ROW EXECUTE FUNCTION refractory_cds.patient_is_written_once();
CREATE TRIGGER patients_not_emptied BEFORE TRUNCATE ON refractory_cds.patients
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER log_keys_wrapped_anew BEFORE UPDATE ON refractory_cds.log_keys
FOR EACH ROW EXECUTE FUNCTION refractory_cds.key_is_only_wrapped_anew();
CREATE TRIGGER log_keys_not_deleted BEFORE DELETE OR TRUNCATE ON refractory_cds.log_keys
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

CREATE TRIGGER checkpoints_follow BEFORE INSERT ON refractory_cds.checkpoints
FOR EACH ROW EXECUTE FUNCTION refractory_cds.checkpoint_follows();
CREATE TRIGGER checkpoints_not_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON refractory_cds.checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refractory_cds.refuse();

-- What may be done beyond inserting: the verbs of the roles ------------------------------------

-- To lock a row takes the right to change it, which no role of the service has.
CREATE FUNCTION refractory_cds.lock_head(OUT size bigint, OUT leaf_hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT h.size, h.leaf_hash INTO size, leaf_hash FROM refractory_cds.head h FOR UPDATE;
END $$;

CREATE FUNCTION refractory_cds.give_patient_key(whose bytea, wrapped bytea, id text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE refractory_cds.patients SET wrapped_key = wrapped, data_key_id = id
     WHERE lookup_id = whose AND data_key_id IS NULL;
END $$;

CREATE FUNCTION refractory_cds.wrap_anew(which text, id text, before bytea, after bytea)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE done integer;
BEGIN
    IF which = 'patients' THEN
        UPDATE refractory_cds.patients SET wrapped_key = after
         WHERE data_key_id = id AND wrapped_key = before;
    ELSE
        UPDATE refractory_cds.log_keys SET wrapped_key = after
         WHERE key_id = id AND wrapped_key = before;
    END IF;
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;

-- Payloads of the patient that the patient's key did not seal go with the key.
CREATE FUNCTION refractory_cds.erase_patient(whose bytea, id text, pseudonym text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM refractory_cds.terms
                    WHERE field = 'erased' AND value = pseudonym) THEN
        RAISE EXCEPTION 'no entry says that this patient is erased'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    DELETE FROM refractory_cds.payloads p
     WHERE p.seq IN (SELECT seq FROM refractory_cds.terms
                      WHERE field = 'patient' AND value = pseudonym)
       AND (p.key_id IS NULL OR p.key_id IS DISTINCT FROM id);
    DELETE FROM refractory_cds.patients
     WHERE lookup_id = whose AND data_key_id IS NOT DISTINCT FROM id;
    RETURN FOUND;
END $$;

-- Whether this token was not seen before. A lost moment of these is no lost entry.
CREATE FUNCTION refractory_cds.first_seen(which bytea, until double precision,
                                          moment double precision)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '2s', true);
    INSERT INTO refractory_cds.seen_tokens VALUES (which, until) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;

-- Up to so many of the calls that a caller has in a minute, and when that minute is over.
CREATE FUNCTION refractory_cds.take_share(who bytea, most integer, wanted integer,
                                          moment double precision,
                                          OUT granted integer, OUT until double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE found_row refractory_cds.calls;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '2s', true);
    INSERT INTO refractory_cds.calls VALUES (who, moment, 0) ON CONFLICT DO NOTHING;
    SELECT * INTO found_row FROM refractory_cds.calls WHERE caller = who FOR UPDATE;
    IF found_row IS NULL OR NOT (found_row.began - 60 <= moment AND moment < found_row.began + 60) THEN
        found_row := (who, moment, 0);
    END IF;
    granted := greatest(0, least(wanted, most - found_row.taken));
    until := found_row.began + 60;
    UPDATE refractory_cds.calls SET began = found_row.began, taken = found_row.taken + granted
     WHERE caller = who;
END $$;

-- What is over is forgotten.
CREATE FUNCTION refractory_cds.forget_callers(moment double precision)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '2s', true);
    DELETE FROM refractory_cds.seen_tokens WHERE token IN
        (SELECT token FROM refractory_cds.seen_tokens WHERE good_until <= moment
          LIMIT 10000 FOR UPDATE SKIP LOCKED);
    DELETE FROM refractory_cds.calls WHERE caller IN
        (SELECT caller FROM refractory_cds.calls WHERE began <= moment - 60 FOR UPDATE SKIP LOCKED);
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA refractory_cds FROM PUBLIC;
