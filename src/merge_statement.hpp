// pg: the SQL of a merge, the same text for this database and a remote one. `table` is quoted. The
// arguments of those that take records: $1 application, $2 customer, $3 provider, $4 emitted_at, $5
// to $8 the columns of the records (versions.hpp), $9 the projection's lookup.
#pragma once

#include "pg.hpp"
#include "projection.hpp"

namespace supaglue {

/// What becomes of a version that is older than the stored one. It never overwrites it, unless the
/// user asked for a full run: then the provider is right even when its clock went back. But it may
/// have a newer version on another page, which is perhaps what is stored; so the statement only
/// says which versions are older, and they wait for the end of the run.
enum class Older { kIgnored, kPostponed, kWritten };

/// Writes what is new or changed. Gives how many rows it inserted, how many it updated that the run
/// had not written before, how many of these are deleted now, how many values did not fit, the id
/// of a row that it wrote, and the numbers (from 1) of the versions that are postponed.
char *page_statement(const char *table, const Projection *projection, Older older);
/// The same where nothing is stored: no row is looked for.
char *new_statement(const char *table, const Projection *projection);
/// The same where nothing is stored and there is no projection: gives no rows, and touches those
/// that it inserted.
char *insert_statement(const char *table);
/// The columns of stored rows after $5, in the order of the bytes, at most so many, from their raw
/// data; $6 lookup. Gives the last id, how many rows it saw and how many it changed, and how many
/// values did not fit.
char *slice_statement(const char *table, const Projection *projection, int rows);
/// Writes nothing, and takes no $9. Gives the numbers (from 1) of the records that are not stored
/// as they came.
char *comparing_statement(const char *table);
/// What is stored from an id to another one ($4 and $5), in the order of their bytes, at most $6
/// rows: id, last_modified_at, is_deleted, raw_data.
char *range_statement(const char *table);

}  // namespace supaglue
