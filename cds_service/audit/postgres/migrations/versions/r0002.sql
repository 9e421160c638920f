-- The decision log in PostgreSQL, from version 0001 to 0002: purges. No row changes.

-- The number of the last entry of the run, among a part's runs, that begins last before this entry.
CREATE FUNCTION refractory_cds.purged_up_to(part text, which bigint)
RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT right(value, 20)::bigint FROM refractory_cds.terms
         WHERE field = 'purged' AND value >= part || '/'
           AND value < part || '/' || lpad(which::text, 20, '0') || '~'
         ORDER BY value DESC LIMIT 1), 0)
$$;

-- A payload is deleted after the entry that tells of it: when its patient is erased, or when it was
-- purged by its age. Whatever an entry says, nothing younger than six months goes, nor what old
-- decisions are understood by.
CREATE FUNCTION refractory_cds.only_what_an_entry_tells_of() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM refractory_cds.terms of_event
                 JOIN refractory_cds.terms erased
                   ON erased.field = 'erased' AND erased.value = of_event.value
                WHERE of_event.seq = OLD.seq AND of_event.field = 'patient') THEN
        RETURN OLD;
    END IF;
    IF OLD.name NOT IN ('package', 'configuration')
       AND EXISTS (SELECT 1 FROM refractory_cds.events
                    WHERE seq = OLD.seq AND recorded_at < to_char(
                          (now() AT TIME ZONE 'UTC') - interval '6 months',
                          'YYYY-MM-DD"T"HH24:MI:SS'))
       AND OLD.seq <= greatest(refractory_cds.purged_up_to('contents', OLD.seq),
                               refractory_cds.purged_up_to('identities', OLD.seq)) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the decision log is append-only'
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;

DROP TRIGGER payloads_not_deleted ON refractory_cds.payloads;
CREATE TRIGGER payloads_not_deleted BEFORE DELETE ON refractory_cds.payloads
FOR EACH ROW EXECUTE FUNCTION refractory_cds.only_what_an_entry_tells_of();
DROP FUNCTION refractory_cds.only_of_an_erased_patient();

-- Payloads of these names, of entries of these types; how many there were.
CREATE FUNCTION refractory_cds.purge_payloads(run_from bigint, run_to bigint, types text[],
                                              names text[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE done bigint;
BEGIN
    DELETE FROM refractory_cds.payloads p
     WHERE p.seq BETWEEN run_from AND run_to AND p.name = ANY (names)
       AND EXISTS (SELECT 1 FROM refractory_cds.events e
                    WHERE e.seq = p.seq AND e.event_type = ANY (types));
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA refractory_cds FROM PUBLIC;
