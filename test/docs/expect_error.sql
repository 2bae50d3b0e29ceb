-- Follows an example of an error: it must have failed, with the SQLSTATE that the page names. Where it names none, a
-- statement that is misspelt, or a defect that shows, is no example.
\set as_expected f
\if :ERROR
SELECT CASE :'expected' WHEN '' THEN :'LAST_ERROR_SQLSTATE' NOT IN ('42601', '42703', '42883', '42P01', '3F000', 'XX000')
  ELSE :'LAST_ERROR_SQLSTATE' = :'expected' END AS as_expected \gset
\endif
\if :as_expected
\else
SELECT format('DO %L', format('BEGIN RAISE EXCEPTION %L; END',
  concat_ws(' ', 'the statement that ends before line', :'line', 'did not fail as it should:', :'expected'))) \gexec
\endif
