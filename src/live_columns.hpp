// pg: the columns of a live table: the metadata ones, known by their names, and the hoisted ones,
// which each customer's records may fill in their own way. It must not know conditions or readings.
#pragma once

#include "fdw_options.hpp"
#include "pg.hpp"
#include "projection.hpp"

namespace supaglue {

constexpr const char *kCustomerIdName = "_supaglue_customer_id";
constexpr const char *kIdName = "id";

struct LiveColumn {
  enum Kind {
    kApplicationId,
    kCustomerId,
    kProviderName,
    kId,
    kEmittedAt,
    kIsDeleted,
    kRawData,
    kLastModifiedAt,
    kHoisted,
  } kind;
  AttrNumber number;
  const char *name;
  Oid type;
  const char *field;  // of a hoisted one: the option, or null: as the synced table has it
};

/// A live table's columns, in the current context; each must be one that a live table can have.
struct LiveColumns {
  LiveColumn *columns;
  int count;
};
LiveColumns live_columns(Oid relation);
const LiveColumn *column_of(const LiveColumns *columns, AttrNumber number);
ValueType value_type_of(Oid type);

/// The hoisted columns as one connection's records fill them; null where `columns` has another.
/// `projection` is the connection's, or null: nothing is configured for the object; `all_fields`:
/// the synced table has all of the provider's own fields as columns.
const Hoisted **bind_columns(const LiveTable *table, const LiveColumns *columns,
                             const Projection *projection, bool all_fields);
/// The same of some columns only (attribute numbers), compiled; null when none of them is hoisted.
struct BoundValues {
  Values *values;
  int *numbers;  // attribute numbers
  int count;
};
BoundValues *compile_columns(const LiveColumns *columns, const Hoisted *const *bound,
                             const char *lookup, const List *needed);

}  // namespace supaglue
