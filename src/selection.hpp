// pure: a selection: which records of an object a reader wants, in what order and how many, in
// words that belong to no provider. A source sends of it what its provider does exactly so, or
// what gives more records than are wanted, never fewer: the reader checks every condition itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pure.hpp"

namespace supaglue {

/// What the reader makes of a field's value: a value that does not fit is NULL for him.
enum class ValueType {
  kText,    // compared as bytes
  kWhole,   // 64 bits
  kSmall,   // 32 bits
  kNumber,  // exact
  kDouble,
  kBoolean,
  kDate,
  kMoment,
  kOther,  // only NULL tests are possible
};

/// What a condition or an order is about.
struct SelectedColumn {
  enum class Role {
    kField,  // a field of the provider's, taken as it is
    kId,     // the record's key
    kStamp,  // when the provider says that it was changed
  };
  Role role = Role::kField;
  std::string field;  // of kField
  ValueType type = ValueType::kText;
};

/// Begins a value that is only shown, in EXPLAIN, as the text that follows.
constexpr char kNotKnownYet = '\x01';

/// A condition. A reader keeps the records for which it is true, not false and not NULL; so NOT
/// stands in the comparisons only, and NULL may be taken for false.
struct Filter {
  enum class Kind {
    kUnknown,   // cannot be told to any provider
    kAll,       // every one of `parts`; without parts: always
    kAny,       // one of `parts`; without parts: never
    kCompare,   // `column` `op` the one value
    kAmong,     // `column` = one of `values`
    kNotAmong,  // `column` <> each of `values`
    kNull,
    kNotNull,
    kBeginsWith  // the text begins with the one value, and more may be asked of it
  };
  enum class Op { kEqual, kNotEqual, kLess, kAtMost, kMore, kAtLeast };

  Kind kind = Kind::kAll;
  std::vector<Filter> parts;
  SelectedColumn column;
  Op op = Op::kEqual;
  /// Texts as they are; plain decimal numbers; "true"; "2024-01-31"; "2024-01-31T10:00:00.000000Z".
  std::vector<std::string> values;

  static Filter always() { return {}; }
  bool is_always() const { return kind == Kind::kAll && parts.empty(); }
  static Filter never() { return {Kind::kAny, {}, {}, Op::kEqual, {}}; }
};

struct SelectedOrder {
  SelectedColumn column;
  bool descending = false;
  bool nulls_first = false;
};

struct Selection {
  Filter filter;
  std::vector<SelectedOrder> order;  // only as a whole
  int64_t limit = -1;                // only with all conditions and the whole order; -1: none
  bool count = false;                // how many there are, and not the records
};

}  // namespace supaglue
