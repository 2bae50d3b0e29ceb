-- A set of ids gives them back in the order of the bytes, each once, in whatever order they came and however many they are:
-- compared with what SQL says of the same ids.
CREATE SCHEMA id_set;
SET search_path = id_set;
CREATE FUNCTION members(ids text[], marks boolean[]) RETURNS text[] LANGUAGE C AS '$libdir/supaglue_door_test', 'supaglue_door_id_set';

-- The ids come in the order of the second column.
CREATE FUNCTION is_right(added regclass, OUT members bigint, OUT added_in_all bigint, OUT is_right boolean) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format($query$
    WITH marked AS MATERIALIZED (SELECT id, n, n %% 3 = 0 AS mark FROM %s),
    wanted AS (SELECT id, count(*) AS times, bool_or(mark) AS mark FROM marked GROUP BY id)
    SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM marked),
      (SELECT id_set.members(array_agg(id ORDER BY n), array_agg(mark ORDER BY n)) FROM marked)
      IS NOT DISTINCT FROM
      (SELECT array_agg(concat_ws(' ', id, times, mark) ORDER BY id COLLATE "C") FROM wanted)
  $query$, added) INTO members, added_in_all, is_right;
END $$;

CREATE TABLE odd AS SELECT id, n FROM unnest(ARRAY['b', 'a', 'ab', 'abc', 'a', 'aB', 'ä', 'z', '', 'A', '€', '😀', 'é', 'a b',
  E'a\x01', E'\x01', 'a', '', 'aa', repeat('x', 2000), repeat('y', 40000), repeat('y', 40001), repeat('x', 2001), repeat('y', 40000)])
  WITH ORDINALITY AS odd (id, n);
SELECT * FROM is_right('odd');
CREATE TABLE odd_in_order AS SELECT id, row_number() OVER (ORDER BY id COLLATE "C") AS n FROM odd;
SELECT * FROM is_right('odd_in_order');

-- Far more than memory is to hold. In order, as nearly all providers tell of them; backwards; in none.
SET work_mem = '64kB';
CREATE TABLE ids AS SELECT '003' || lpad(to_hex(n), 12, '0') || CASE WHEN n % 7 = 0 THEN 'é' ELSE '' END AS id, n
  FROM generate_series(1, 60000) AS n;
SELECT * FROM is_right('ids');
CREATE VIEW backwards AS SELECT id, -n AS n FROM ids;
SELECT * FROM is_right('backwards');
CREATE VIEW in_no_order AS SELECT id, n * 7919 % 60013 AS n FROM ids;
SELECT * FROM is_right('in_no_order');
-- Several times: at once, when all others have been there, and at the beginning of the next page.
CREATE VIEW at_once AS SELECT id, n FROM ids, generate_series(1, 3);
SELECT * FROM is_right('at_once');
CREATE VIEW again AS SELECT id, n + again * 60000 AS n FROM ids, generate_series(0, 1) AS again;
SELECT * FROM is_right('again');
CREATE VIEW overlapping AS SELECT id, row_number() OVER (ORDER BY page, ids.n) AS n
  FROM ids, generate_series(0, 29) AS page WHERE ids.n > page * 2000 - 200 AND ids.n <= (page + 1) * 2000;
SELECT * FROM is_right('overlapping');
-- The greatest comes first.
CREATE VIEW greatest_first AS SELECT id, n FROM ids UNION ALL SELECT 'zzz', 0;
SELECT * FROM is_right('greatest_first');

SET client_min_messages = warning;
DROP SCHEMA id_set CASCADE;
