// pg: the DDL of destination tables. It knows their columns and their key, not what is written into
// them.
#include "table.hpp"

#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

// All four columns of the key are compared byte by byte: the key's order is then the same
// everywhere, and cheap.
const Column table_columns[kColumnCount] = {
    {"_supaglue_application_id", "text COLLATE \"C\"", true, nullptr,
     "application of the customer"},
    {"_supaglue_customer_id", "text COLLATE \"C\"", true, nullptr,
     "customer, under the company's own id"},
    {"_supaglue_provider_name", "text COLLATE \"C\"", true, nullptr, "provider of the record"},
    {"id", "text COLLATE \"C\"", true, nullptr, "id of the record at the provider"},
    {"_supaglue_emitted_at", "timestamptz", true, "'-infinity'",
     "when the run that last wrote the row emitted it"},
    {"_supaglue_is_deleted", "boolean", true, "false",
     "deleted, merged away or no longer visible at the provider"},
    {"_supaglue_raw_data", "jsonb", true, "'{}'", "the provider's record"},
    {"_supaglue_last_modified_at", "timestamptz", false, nullptr,
     "the provider's stamp of the last change"},
};

namespace {

constexpr const char *kKey =
    "_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id";
constexpr const char *kSyncsTable = "_supaglue_syncs";

void append_column(StringInfo ddl, const Column &column, bool lz4) {
  appendStringInfo(ddl, "%s %s", quote_identifier(column.name), column.type);
  if (lz4 && strcmp(column.type, "jsonb") == 0) appendStringInfoString(ddl, " COMPRESSION lz4");
  if (column.not_null) appendStringInfoString(ddl, " NOT NULL");
}

char *create_statement(const char *table, const ColumnList &list, bool lz4) {
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE TABLE IF NOT EXISTS %s (\n", table);
  for (int i = 0; i < list.count; ++i) {
    appendStringInfoString(&ddl, "  ");
    append_column(&ddl, list.columns[i], lz4);
    appendStringInfoString(&ddl, ",\n");
  }
  appendStringInfo(&ddl, "  PRIMARY KEY (%s)\n) WITH (fillfactor = 90)", kKey);
  return ddl.data;
}

char *comment_statement(const char *table, const char *table_name) {
  return format("COMMENT ON TABLE %s IS %s", table,
                quote_literal_cstr(format("records of %s, kept by supaglue", table_name)));
}

char *comment_statement(const char *table, const Column &column) {
  return format("COMMENT ON COLUMN %s.%s IS %s", table, quote_identifier(column.name),
                quote_literal_cstr(column.comment));
}

bool has_lz4(Destination *destination) {
  return destination->execute(
             "SELECT 1 FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression' AND "
             "'lz4' = ANY (enumvals)") > 0;
}

void create(Destination *destination, const char *table, const char *table_name,
            const ColumnList &list) {
  destination->execute(create_statement(table, list, has_lz4(destination)));
  destination->tell(comment_statement(table, table_name));
  for (int i = 0; i < list.count; ++i) destination->tell(comment_statement(table, list.columns[i]));
}

/// Adds the columns that a table lacks. Rows that are there get a neutral value, later ones must be
/// given one.
void add_columns(Destination *destination, const char *table, const ColumnList &list,
                 const char *missing) {
  const bool lz4 = has_lz4(destination);
  for (int i = 0; i < list.count; ++i) {
    const Column &column = list.columns[i];
    if (strstr(missing, format("<%s>", column.name)) == nullptr) continue;
    StringInfoData ddl;
    initStringInfo(&ddl);
    appendStringInfo(&ddl, "ALTER TABLE %s ADD COLUMN ", table);
    append_column(&ddl, column, lz4);
    if (column.backfill != nullptr) appendStringInfo(&ddl, " DEFAULT %s", column.backfill);
    destination->execute(ddl.data);
    if (column.backfill != nullptr)
      destination->execute(format("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table,
                                  quote_identifier(column.name)));
    destination->tell(comment_statement(table, column));
  }
}

char *create_syncs_statement(const char *table) {
  return format(R"(CREATE TABLE IF NOT EXISTS %s (
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  provider_name text COLLATE "C" NOT NULL,
  object_type text COLLATE "C" NOT NULL,
  object text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  source text NOT NULL,
  run_id bigint NOT NULL,
  emitted_at timestamptz NOT NULL,
  watermark timestamptz,
  counts jsonb NOT NULL,
  committed_at timestamptz NOT NULL,
  started_at timestamptz,
  adopted_at timestamptz,
  timeline bigint,
  PRIMARY KEY (application_id, customer_id, provider_name, object_type, object)
) WITH (fillfactor = 50))",
                table);
}

char *comment_syncs_statement(const char *table) {
  const char *comment = "supaglue: the last run of each sync into this schema, as committed";
  return format("COMMENT ON TABLE %s IS %s", table, quote_literal_cstr(comment));
}

void make_syncs_table(Destination *destination, const char *table) {
  destination->execute(create_syncs_statement(table));
  destination->tell(comment_syncs_statement(table));
  // One that was made by an earlier version.
  destination->execute(
      format("ALTER TABLE %s ADD COLUMN IF NOT EXISTS started_at timestamptz,"
             " ADD COLUMN IF NOT EXISTS adopted_at timestamptz,"
             " ADD COLUMN IF NOT EXISTS timeline bigint",
             table));
}

void refuse(const char *table) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                  errmsg("table %s exists and has no primary key on (%s)", table, kKey),
                  errhint("Choose another \"table\" for the object.")));
}

/// What stands under a name at the destination, in one statement because a remote one is a round
/// trip away.
constexpr const char *kLook =
    R"(SELECT n.oid IS NOT NULL, c.relkind::text,
  (SELECT pg_catalog.string_agg('<' || w.name || '>', '')
   FROM pg_catalog.unnest($3::text[]) AS w (name)
   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid
     AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped)),
  (SELECT pg_catalog.string_agg(a.attname, ', '
     ORDER BY pg_catalog.array_position($3::text[], a.attname::text))
   FROM pg_catalog.pg_constraint k
   JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
   WHERE k.conrelid = c.oid AND k.contype = 'p'),
  EXISTS (SELECT FROM pg_catalog.pg_class s
    JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attname = 'timeline'
    WHERE s.relnamespace = n.oid AND s.relname = $4::text)
FROM (SELECT) AS one
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1::text
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2::text)";

bool ensure(Destination *destination, const char *schema_name, const char *table_name,
            const ColumnList &list) {
  auto *names = static_cast<Text *>(palloc(sizeof(Text) * static_cast<size_t>(list.count)));
  for (int i = 0; i < list.count; ++i) names[i] = text_of(list.columns[i].name);
  destination->execute(kLook, {value_of(schema_name), value_of(table_name),
                               value_of(names, list.count), value_of(kSyncsTable)});
  const bool schema_exists = strcmp(destination->field(0, 0), "t") == 0;
  const char *kind = destination->field(0, 1) ? pstrdup(destination->field(0, 1)) : nullptr;
  const char *missing = destination->field(0, 2) ? pstrdup(destination->field(0, 2)) : nullptr;
  const char *key = destination->field(0, 3) ? pstrdup(destination->field(0, 3)) : "";
  const bool lacks_syncs = destination->is_remote() && strcmp(destination->field(0, 4), "t") != 0;

  const char *table = quote_qualified_identifier(schema_name, table_name);
  if (!schema_exists)
    destination->execute(format("CREATE SCHEMA IF NOT EXISTS %s", quote_identifier(schema_name)));
  if (kind == nullptr)
    create(destination, table, table_name, list);
  else if ((*kind != RELKIND_RELATION && *kind != RELKIND_PARTITIONED_TABLE) ||
           strcmp(key, kKey) != 0)
    refuse(table);
  else if (missing != nullptr)
    add_columns(destination, table, list, missing);
  if (lacks_syncs) make_syncs_table(destination, syncs_table(schema_name));
  return kind == nullptr || missing != nullptr || lacks_syncs;
}

}  // namespace

ColumnList columns_of_table(const Projection *projection) {
  const int hoisted = projection == nullptr ? 0 : projection->count;
  ColumnList list = {static_cast<Column *>(palloc(sizeof(Column) * (kColumnCount + hoisted))),
                     kColumnCount + hoisted};
  memcpy(list.columns, table_columns, sizeof(table_columns));
  for (int i = 0; i < hoisted; ++i) {
    const Hoisted &column = projection->columns[i];
    const char *comment = strcmp(column.name, kMappedDataName) == 0
                              ? "the mapped fields, those that the customer added too"
                              : "hoisted from the raw data";
    list.columns[kColumnCount + i] = {column.name, column.type, false, nullptr, comment};
  }
  return list;
}

char *table_ddl(const char *schema_name, const char *table_name, const Projection *projection) {
  const ColumnList list = columns_of_table(projection);
  const char *table = quote_qualified_identifier(schema_name, table_name);
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE SCHEMA IF NOT EXISTS %s;\n%s;\n%s;\n",
                   quote_identifier(schema_name), create_statement(table, list, false),
                   comment_statement(table, table_name));
  for (int i = 0; i < list.count; ++i)
    appendStringInfo(&ddl, "%s;\n", comment_statement(table, list.columns[i]));
  return ddl.data;
}

bool ensure_table(Destination *destination, const char *schema_name, const char *table_name,
                  const Projection *projection) {
  destination->set_lock_timeout(settings.ddl_lock_timeout_ms);
  const bool made = ensure(destination, schema_name, table_name, columns_of_table(projection));
  destination->set_lock_timeout(settings.lock_timeout_ms);
  return made;
}

const char *syncs_table(const char *schema_name) {
  return quote_qualified_identifier(schema_name, kSyncsTable);
}

char *syncs_table_ddl(const char *schema_name) {
  const char *table = quote_qualified_identifier(schema_name, kSyncsTable);
  return format("%s;\n%s;\n", create_syncs_statement(table), comment_syncs_statement(table));
}

char *default_table_name(const char *provider_name, const char *object_type, const char *object) {
  if (strcmp(object_type, "entity") == 0) return fitting_name(format("entity_%s", object));
  if (strcmp(object_type, "common") == 0) {
    const char *table = guard([&]() -> const char * {
      const auto connector = Connector::builtin(provider_name);
      const CommonObject *common =
          connector == nullptr ? nullptr : common_object(connector->category, object);
      return common == nullptr ? nullptr : common->table;
    });
    if (table != nullptr) return pstrdup(table);
  }
  return fitting_name(format("%s_%s", provider_name, object));
}

char *fitting_name(const char *full_name) {
  char *name = pstrdup(full_name);
  const int length = static_cast<int>(strlen(name));
  if (length < NAMEDATALEN) return name;
  uint32 hash = 2166136261U;  // FNV-1a: the same on every machine
  for (const char *c = name; *c != '\0'; ++c)
    hash = (hash ^ static_cast<unsigned char>(*c)) * 16777619U;
  const int kept = pg_mbcliplen(name, length, NAMEDATALEN - 1 - 9);
  return format("%.*s_%08x", kept, name, hash);
}

}  // namespace supaglue
