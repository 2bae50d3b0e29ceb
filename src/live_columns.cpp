// pg: the columns of a live table. See live_columns.hpp.
#include "live_columns.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

struct MetadataColumn {
  const char *name;
  LiveColumn::Kind kind;
  Oid type;
};
constexpr MetadataColumn kMetadataColumns[] = {
    {"_supaglue_application_id", LiveColumn::kApplicationId, TEXTOID},
    {kCustomerIdName, LiveColumn::kCustomerId, TEXTOID},
    {"_supaglue_provider_name", LiveColumn::kProviderName, TEXTOID},
    {kIdName, LiveColumn::kId, TEXTOID},
    {"_supaglue_emitted_at", LiveColumn::kEmittedAt, TIMESTAMPTZOID},
    {"_supaglue_is_deleted", LiveColumn::kIsDeleted, BOOLOID},
    {"_supaglue_raw_data", LiveColumn::kRawData, JSONBOID},
    {"_supaglue_last_modified_at", LiveColumn::kLastModifiedAt, TIMESTAMPTZOID},
};

struct HoistedType {
  Oid type;
  ValueType value;
  const char *name;  // as column_type() spells it
};
constexpr HoistedType kHoistedTypes[] = {
    {TEXTOID, ValueType::kText, "text"},
    {INT8OID, ValueType::kWhole, "bigint"},
    {INT4OID, ValueType::kSmall, "integer"},
    {NUMERICOID, ValueType::kNumber, "numeric"},
    {FLOAT8OID, ValueType::kDouble, "double precision"},
    {BOOLOID, ValueType::kBoolean, "boolean"},
    {DATEOID, ValueType::kDate, "date"},
    {TIMESTAMPTZOID, ValueType::kMoment, "timestamptz"},
    {JSONBOID, ValueType::kOther, "jsonb"},
};

const HoistedType *hoisted_type(Oid type) {
  for (const HoistedType &hoisted : kHoistedTypes)
    if (hoisted.type == type) return &hoisted;
  return nullptr;
}

const MetadataColumn *metadata_column(const char *name) {
  for (const MetadataColumn &column : kMetadataColumns)
    if (strcmp(column.name, name) == 0) return &column;
  return nullptr;
}

[[noreturn]] void refuse_type(const char *name, const char *allowed) {
  ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
                  errmsg("column \"%s\" of a live table must be of type %s", name, allowed)));
  pg_unreachable();
}

LiveColumn live_column(Oid relation, Form_pg_attribute attribute) {
  LiveColumn column = {LiveColumn::kHoisted, attribute->attnum,
                       pstrdup(NameStr(attribute->attname)), attribute->atttypid,
                       column_field(relation, attribute->attnum)};
  const MetadataColumn *metadata = metadata_column(column.name);
  if (metadata != nullptr && column.field == nullptr) {
    if (column.type != metadata->type) refuse_type(column.name, format_type_be(metadata->type));
    column.kind = metadata->kind;
  } else if (hoisted_type(column.type) == nullptr || attribute->atttypmod >= 0) {
    refuse_type(column.name,
                "text, boolean, bigint, integer, numeric, double precision, date, timestamptz or "
                "jsonb, without a modifier");
  }
  return column;
}

/// A column that takes one field as it is.
const Hoisted *take_field(const LiveTable *table, const LiveColumn *column, const char *field) {
  const NamedField named = {column->name, hoisted_type(column->type)->name, field};
  return field_projection(table->provider_name, &named, 1)->columns;
}

const Hoisted *bind_column(const LiveTable *table, const LiveColumn *column,
                           const Projection *projection, bool all_fields) {
  if (column->field != nullptr) return take_field(table, column, column->field);
  for (int i = 0; projection != nullptr && i < projection->count; ++i) {
    const Hoisted *hoisted = &projection->columns[i];
    if (strcmp(hoisted->name, column->name) != 0) continue;
    // A text column may say its collation.
    const char *type = hoisted_type(column->type)->name;
    const size_t length = strlen(type);
    if (strncmp(hoisted->type, type, length) == 0 &&
        (hoisted->type[length] == '\0' || hoisted->type[length] == ' '))
      return hoisted;
    const char *types[] = {type};
    Projection one = *projection;
    one.columns = &projection->columns[i];
    one.count = 1;
    const Projection *made = retyped(&one, types);
    if (made->count == 0) refuse_type(column->name, hoisted->type);
    return made->columns;
  }
  // The provider's own fields are columns of their own names; they may not be known yet.
  if (all_fields) return take_field(table, column, column->name);
  ereport(ERROR, (errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
                  errmsg("a live table has no column \"%s\"", column->name),
                  errhint("Its columns are those of the synced table; another one names a field of "
                          "the provider's by its option \"field\".")));
}

}  // namespace

LiveColumns live_columns(Oid relation) {
  Relation opened = table_open(relation, NoLock);
  const TupleDesc row = RelationGetDescr(opened);
  LiveColumns columns = {static_cast<LiveColumn *>(palloc(sizeof(LiveColumn) * Max(row->natts, 1))),
                         0};
  for (int i = 0; i < row->natts; ++i)
    if (!TupleDescAttr(row, i)->attisdropped)
      columns.columns[columns.count++] = live_column(relation, TupleDescAttr(row, i));
  table_close(opened, NoLock);
  return columns;
}

const LiveColumn *column_of(const LiveColumns *columns, AttrNumber number) {
  for (int i = 0; i < columns->count; ++i)
    if (columns->columns[i].number == number) return &columns->columns[i];
  return nullptr;
}

ValueType value_type_of(Oid type) {
  const HoistedType *hoisted = hoisted_type(type);
  return hoisted == nullptr ? ValueType::kOther : hoisted->value;
}

const Hoisted **bind_columns(const LiveTable *table, const LiveColumns *columns,
                             const Projection *projection, bool all_fields) {
  auto **bound = static_cast<const Hoisted **>(palloc0(sizeof(Hoisted *) * Max(columns->count, 1)));
  for (int i = 0; i < columns->count; ++i)
    if (columns->columns[i].kind == LiveColumn::kHoisted)
      bound[i] = bind_column(table, &columns->columns[i], projection, all_fields);
  return bound;
}

BoundValues *compile_columns(const LiveColumns *columns, const Hoisted *const *bound,
                             const char *lookup, const List *needed) {
  Projection chosen = {};
  chosen.columns = static_cast<Hoisted *>(palloc(sizeof(Hoisted) * Max(columns->count, 1)));
  chosen.lookup = lookup;
  auto *values = static_cast<BoundValues *>(palloc(sizeof(BoundValues)));
  values->numbers = static_cast<int *>(palloc(sizeof(int) * Max(columns->count, 1)));
  auto *all = static_cast<int *>(palloc(sizeof(int) * Max(columns->count, 1)));
  for (int i = 0; i < columns->count; ++i) {
    if (bound[i] == nullptr || !list_member_int(needed, columns->columns[i].number)) continue;
    values->numbers[chosen.count] = columns->columns[i].number;
    all[chosen.count] = chosen.count;
    chosen.columns[chosen.count++] = *bound[i];
  }
  values->count = chosen.count;
  if (chosen.count == 0) return nullptr;
  values->values = compile_values(&chosen, all, chosen.count);
  return values;
}

}  // namespace supaglue
