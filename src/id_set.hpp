// pg: a set of ids, however many: filled in any order, and then read in the order of the bytes. It
// does not know what the ids are of.
#pragma once

#include <string_view>

#include "pg.hpp"

namespace supaglue {

struct IdSet;

/// An id of a set.
struct Member {
  std::string_view id;  // until the next one is read
  int64 times;          // that it was added
  bool marked;          // one of these times
};

/// None yet; it lives in the current memory context, and in temporary files of the transaction.
IdSet *make_id_set();
void add_id(IdSet *set, std::string_view id, bool marked);
/// The next one; false at the end. None is added from here on.
bool next_id(IdSet *set, Member *member);
void end_id_set(IdSet *set);

}  // namespace supaglue
