// pg: erasing what is held of a customer: rows in every destination, and our own records of him. A
// table is found by its key, so that those of a configuration that is gone are found, too. It must
// not know when it is tried again.
#pragma once

#include "pg.hpp"
#include "destination.hpp"

namespace supaglue {

/// Whose rows.
struct Whose {
  const char *application_id;
  const char *customer_id;
  const char *provider_name;  // null: of all providers
};

/// What became of a table's rows.
struct Erased {
  const char *destination;  // null: none that is configured
  const char *table;
  int64 rows;  // -1: to be erased later
};

/// Erases them everywhere, and queues what cannot be reached. Rows here are gone with the
/// transaction under way, those of remote destinations just before it commits. No run of theirs is
/// under way. List of Erased.
List *erase_rows(const Whose *whose, Oid asked_by);

/// Erases the rows at a remote destination whose transaction has begun. List of Erased.
List *erase_at(Destination *there, const char *name, const char *schema, const Whose *whose);

/// Whose rights at a remote destination count: those of a sync config's owner, whose merges do the
/// same, or of whoever asked.
Oid role_at(int64 destination_id, Oid asked_by);

/// Our own records of the customer: events, runs, rejected records, schema changes, consents under
/// way. To be called while the syncs' rows are still there.
void erase_records(const Whose *whose);
/// Pages in the spool and rejected records whose run, or sync, is no more.
void erase_orphans();

}  // namespace supaglue
