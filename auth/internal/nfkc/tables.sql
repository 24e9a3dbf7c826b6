-- Prints tables.txt, from what PostgreSQL knows of Unicode:
--
--     psql -XAtq -f tables.sql "$DATABASE_URL" >tables.txt
--
-- The lines are "d X Y…": X decomposes to Y…, in full; "c X Y Z": X and Y compose to
-- Z; "o X…": a class of combining marks, the classes in their order. Code points are
-- hexadecimal. Hangul syllables are left out, for they are computed.
SET client_encoding = 'UTF8';

CREATE FUNCTION pg_temp.hex(s text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(to_hex(ascii(c)), ' ' ORDER BY at)
      FROM regexp_split_to_table(s, '') WITH ORDINALITY AS t (c, at) $$;

CREATE TEMP TABLE points AS
SELECT n, chr(n) AS c
  FROM generate_series(1, 1114111) AS n
 WHERE n NOT BETWEEN 55296 AND 57343 AND n NOT BETWEEN 44032 AND 55203;

SELECT 'd ' || to_hex(n) || ' ' || pg_temp.hex(normalize(c, NFKD))
  FROM points WHERE normalize(c, NFKD) <> c ORDER BY n;

-- A composite is what its decomposition composes to again. Its last mark is the second
-- of the pair, and what is before that composes to the first.
SELECT 'c ' || pg_temp.hex(normalize(left(normalize(c, NFD), -1), NFC)) || ' ' || pg_temp.hex(right(normalize(c, NFD), 1)) || ' ' || to_hex(n)
  FROM points WHERE normalize(c, NFD) <> c AND normalize(c, NFC) = c ORDER BY n;

-- A mark combines if it changes places with one of the lowest or of the highest class.
-- Its class is told by how many others it changes places with.
CREATE TEMP TABLE marks AS
SELECT n, c FROM points
 WHERE normalize(c, NFD) = c
   AND (normalize(c || U&'\0334', NFD) <> c || U&'\0334' OR normalize(U&'\0345' || c, NFD) <> U&'\0345' || c);

SELECT 'o ' || string_agg(to_hex(n), ' ' ORDER BY n)
  FROM (SELECT m.n, count(*) FILTER (WHERE normalize(m.c || o.c, NFD) <> m.c || o.c) AS lower
          FROM marks m CROSS JOIN marks o GROUP BY m.n) AS ranked
 GROUP BY lower ORDER BY lower;
