// pg: what of a page its table holds already, just as it came: of that the spool keeps, and the
// merge is given, the ids and nothing else. For runs that read everything into a table of this
// database. It writes nothing and decides nothing: the merge looks whether the rows are still
// there.
#pragma once

#include <string>
#include <vector>

#include "destination.hpp"
#include "page.hpp"
#include "pg.hpp"
#include "sync.hpp"

namespace supaglue {

/// With whose rows the pages of a run are compared.
struct Comparison {
  explicit Comparison(const Sync &sync);

  std::string application_id, customer_id, provider_name, schema_name, table_name;
  Oid owner;
  Here *here = nullptr;      // for pages of one transaction; null: each page opens its own
  bool is_given_up = false;  // it fails, or finds too little to be worth its while
  bool is_sparse = false;    // between the records of a page lie many others
  size_t compared = 0, found = 0;
  std::vector<const Record *> newest;  // of the page
  std::vector<bool> changed;           // of `newest`
};

/// Moves the records of a page that the table holds unchanged to `unchanged`, by their ids. In a
/// transaction; what fails in it is given up, and the page stays whole. It waits for no lock.
void take_out_unchanged(Comparison *comparison, Page *page);

}  // namespace supaglue
