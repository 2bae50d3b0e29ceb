-- The door between C++ and Postgres: whatever is thrown or raised on either side arrives as an SQL
-- error with its parts whole, everything is destroyed on the way, and the backend lives on.
CREATE SCHEMA door;
CREATE FUNCTION door.ways() RETURNS text[] LANGUAGE C AS '$libdir/supaglue_door_test', 'supaglue_door_ways';
CREATE FUNCTION door.raise(way text) RETURNS void LANGUAGE C STRICT AS '$libdir/supaglue_door_test', 'supaglue_door_raise';
CREATE FUNCTION door.living() RETURNS int LANGUAGE C AS '$libdir/supaglue_door_test', 'supaglue_door_living';
CREATE FUNCTION door.memory() RETURNS bigint LANGUAGE C AS '$libdir/supaglue_door_test', 'supaglue_door_memory';

CREATE FUNCTION door.attempt(way text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM door.raise(way);
EXCEPTION WHEN OTHERS OR ASSERT_FAILURE THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;

SELECT pg_backend_pid() AS before \gset

SELECT way, code, message, detail, hint
FROM unnest(door.ways()) WITH ORDINALITY AS ways(way, n), door.attempt(way)
WHERE way <> 'a long text' ORDER BY n;

-- A text that is too long is cut at a character's end.
SELECT code, length(message), length(detail), length(hint), rtrim(message || detail || hint, '€') AS rest
FROM door.attempt('a long text');

-- Nothing that C++ owned is left.
SELECT door.living();

-- The same without anybody who catches it.
SELECT door.raise('error');
\echo :LAST_ERROR_SQLSTATE

-- Eleven thousand of them leave no memory behind: neither Postgres's nor C++'s.
CREATE PROCEDURE door.storm(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  way text;
BEGIN
  FOR round IN 1..rounds LOOP
    FOREACH way IN ARRAY door.ways() LOOP
      PERFORM door.attempt(way);
    END LOOP;
  END LOOP;
END $$;
CALL door.storm(100);
SELECT door.memory() AS resident, sum(total_bytes) AS allocated FROM pg_backend_memory_contexts \gset
CALL door.storm(1000);
-- The address sanitizer keeps what is freed.
\getenv sanitizer SUPAGLUE_SANITIZER_LOGS
SELECT door.memory() - :resident < 4000 OR :{?sanitizer} AS resident_is_flat,
  sum(total_bytes) - :allocated < 500000 AS allocated_is_flat FROM pg_backend_memory_contexts;

SELECT door.living();
SELECT pg_backend_pid() = :before AS the_backend_lives;
SET client_min_messages = warning;
DROP SCHEMA door CASCADE;
