-- Records reach the table as jsonb that we write ourselves: byte for byte what jsonb_in makes of the same text.
CREATE SCHEMA door;
CREATE FUNCTION door.same_jsonb(text) RETURNS boolean LANGUAGE C STRICT AS '$libdir/supaglue_door_test', 'supaglue_door_same_jsonb';

-- Edges of the format, one by one.
SELECT json, door.same_jsonb(json) FROM unnest(ARRAY[
  '{}', '[]', '[[]]', '{"a":{}}', '[{},[],{}]', '["",""]', '{"":""}', '{"a":"","":1}',
  '[true,false,null]', '{"t":true,"f":false,"n":null}', ' { "a" : [ 1 , 2 ] } ', E'[\n1\t,\r2 ]',
  -- Numbers: scales, groups of four, signs, exponents, what is short and what is long.
  '[0,-0,0.0,-0.00,0e0,0E-3,0.000e5]', '[1,10,100,1000,10000,100000,99999999]', '[1.10,-0.0005,0.00010,12345.6789,0.1]',
  '[1e5,1E-3,1.5e3,-1.5E+3,12e-4,1e4,1e-4,1.0e1,100e-2]', '[123456789012345678901234567890]', '[0.123456789012345678901234567890]',
  '[1e131071,-1e131071]', '[1e-16383]', '[1e63,1e64,1e252,1e255,1e256,1e260]', '[1e-62,1e-63,1e-64,1e-252,1e-256]',
  '[9999.9999,10000.0001,0.9999,0.0001,0.00009999]',
  -- Keys: order, duplicates, length.
  '{"b":1,"a":2,"aa":3,"B":4,"ab":5}', '{"a":1,"a":2}', '{"a":1,"b":2,"a":{"c":3}}', '{"x":1,"x":1,"x":[]}', '{"é":1,"z":2,"aé":3}',
  -- Text: escapes, many bytes, pairs of surrogates.
  '["\"\\\/\b\f\n\r\t","\u00e9\u20ac\ud83d\ude00","😀é"]', '{"\u0061":1,"a":2,"\n":3}', '["\u001f"]'
]) AS json;

-- The stride of entries that tell where they end, alignment of numbers and containers between texts.
SELECT bool_and(door.same_jsonb(json)) FROM (
  SELECT jsonb_build_object('n', n, 'l', (SELECT jsonb_agg(CASE i % 5 WHEN 0 THEN to_jsonb(repeat('x', i % 7)) WHEN 1 THEN to_jsonb(i * 1.5)
    WHEN 2 THEN '{}' WHEN 3 THEN 'null' ELSE jsonb_build_array(i) END) FROM generate_series(1, n) i))::text
  FROM generate_series(0, 140) n
  UNION ALL
  SELECT (SELECT json_object_agg(md5(i::text || n), CASE WHEN i % 3 = 0 THEN i::text END) FROM generate_series(1, n) i)::text
  FROM generate_series(1, 140) n) AS t (json);

-- Twenty thousand documents at random: names of keys repeat, so does their order now and then.
SELECT setseed(0.5);
SELECT count(*), count(*) FILTER (WHERE door.same_jsonb(json)) FROM (
  SELECT '{' || string_agg(format('"%s":%s', left(md5((n % 50 + i)::text), 1 + (random() * 9)::int),
      CASE (random() * 9)::int
        WHEN 0 THEN 'null' WHEN 1 THEN 'true' WHEN 2 THEN 'false'
        WHEN 3 THEN (random() * 1e9)::bigint::text
        WHEN 4 THEN round((random() - 0.5)::numeric * 10::numeric ^ (random() * 12)::int, (random() * 8)::int)::text
        WHEN 5 THEN format('%s%se%s', CASE WHEN random() < 0.5 THEN '-' ELSE '' END, (random() * 999)::int, (random() * 80 - 40)::int)
        WHEN 6 THEN to_json(left(md5(random()::text), (random() * 32)::int))::text
        WHEN 7 THEN to_json(repeat(E'é"\\\n', (random() * 5)::int))::text
        WHEN 8 THEN format('[%s,"x",{"k":%s,"a":[]}]', (random() * 10)::int, random())
        ELSE '{}' END), ',') || '}'
  FROM generate_series(1, 20000) n, generate_series(1, 1 + n % 40) i GROUP BY n) AS t (json);

-- What is no JSON is refused.
SELECT door.same_jsonb('{"a":1');
SET client_min_messages = warning;
DROP SCHEMA door CASCADE;
