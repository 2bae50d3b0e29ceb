// pg: what of a page its tables hold already, just as it came: of that the spool keeps, and the
// merge is given, the ids and nothing else. For runs that read everything into tables of this
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

/// With whose rows the pages of a fetch are compared: those of one sync, or of several of one
/// connection.
struct Comparison {
  struct Table {
    std::string schema_name, table_name;
    Oid owner;               // as whom it is read
    bool is_sparse = false;  // between the records of a page lie many others
  };

  explicit Comparison(const Sync &sync);
  /// What is stored must be so in this sync's table, too.
  void add(const Sync &sync);

  std::string application_id, customer_id, provider_name;
  std::vector<Table> tables;
  Here *here = nullptr;      // for pages of one transaction; null: each page opens its own
  bool is_given_up = false;  // it fails, or finds too little to be worth its while
  size_t compared = 0, found = 0;
  std::vector<const Record *> newest;  // of the page
  std::vector<bool> changed;           // of `newest`: a table has it otherwise, or not
  std::vector<bool> differs;           // the same of the table at hand
};

/// Moves the records of a page that all tables hold unchanged to `unchanged`, by their ids. In a
/// transaction; what fails in it is given up, and the page stays whole. It waits for no lock.
void take_out_unchanged(Comparison *comparison, Page *page);

}  // namespace supaglue
