// pg: IMPORT FOREIGN SCHEMA. See live_import.hpp.
#include "live_import.hpp"

#include "pg.hpp"

#include "catalog.hpp"
#include "connection_key.hpp"
#include "fdw_options.hpp"
#include "inventory.hpp"
#include "settings.hpp"

namespace supaglue {

namespace {

/// What a table of Postgres can hold, with room for our own columns.
constexpr size_t kMostColumns = 1500;

struct Imported {
  std::string object_type, object;
};

/// One customer's provider, as the import asks it.
struct Asked {
  const char *customer, *provider_name, *server_name;
  int64 connection_id;
  const Connector *connector;
};

int64 connection_of(const char *customer, const char *provider_name) {
  const char *application = pstrdup(settings.application_id);
  const Api api = open_api();
  const int64 id = find_connection(application, customer, provider_name);
  close_api(api);
  return id;
}

/// The objects that the statement wants, of those that there are.
const std::vector<Imported> *wanted_objects(const Asked *asked,
                                            ImportForeignSchemaStmt *statement) {
  const std::string *body = ask_for_objects(asked->connection_id, asked->connector);
  auto *all = make_in<std::vector<Imported>>(CurrentMemoryContext);
  auto *wanted = make_in<std::vector<Imported>>(CurrentMemoryContext);
  guard([&] {
    for (const Json &row : list_objects(asked->connector->directory, *body))
      all->push_back({row["object_type"], row["object"]});
  });
  for (const Imported &object : *all)
    if (object.object.size() < NAMEDATALEN &&
        IsImportableForeignTable(object.object.c_str(), statement))
      guard([&] { wanted->push_back(object); });
  return wanted;
}

struct Field {
  std::string name, type;
  bool is_id;
};

/// The fields of an object that become columns.
const std::vector<Field> *fields_of(const Asked *asked, const char *object) {
  const Connector *connector = asked->connector;
  const std::string *body = ask_for_properties(asked->connection_id, connector, object);
  auto *fields = make_in<std::vector<Field>>(CurrentMemoryContext);
  guard([&] {
    const std::string key = connector->settings.value("id_field", "id");
    const auto excluded = connector->settings.value("excluded_types", std::vector<std::string>{});
    for (const Json &row : list_properties(connector->directory, object, *body)) {
      const std::string name = row["name"], type = row.value("provider_type", "");
      // The key is a column of ours, and the raw data never holds fields of some types.
      const bool fits = name.size() < NAMEDATALEN && name != "id" && name != key &&
                        !name.starts_with("_supaglue") && fields->size() < kMostColumns;
      if (fits && std::find(excluded.begin(), excluded.end(), type) == excluded.end())
        fields->push_back({name, connector->type_of(type), type == "reference"});
    }
  });
  return fields;
}

char *table_ddl(const Asked *asked, const Imported *object) {
  const std::vector<Field> *fields = fields_of(asked, object->object.c_str());
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE FOREIGN TABLE %s (id text COLLATE pg_catalog.\"C\" NOT NULL",
                   quote_identifier(object->object.c_str()));
  for (const Field &field : *fields)
    appendStringInfo(&ddl, ", %s %s OPTIONS (field %s)%s", quote_identifier(field.name.c_str()),
                     field.type.c_str(), quote_literal_cstr(field.name.c_str()),
                     field.is_id ? " COLLATE pg_catalog.\"C\"" : "");
  appendStringInfo(&ddl,
                   ", _supaglue_last_modified_at timestamptz) SERVER %s OPTIONS (customer %s, "
                   "object_type %s, object %s)",
                   quote_identifier(asked->server_name), quote_literal_cstr(asked->customer),
                   quote_literal_cstr(object->object_type.c_str()),
                   quote_literal_cstr(object->object.c_str()));
  return ddl.data;
}

}  // namespace

List *import_live_schema(ImportForeignSchemaStmt *statement, Oid server) {
  if (statement->options != NIL)
    ereport(ERROR,
            (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
             errmsg("invalid option \"%s\"", linitial_node(DefElem, statement->options)->defname),
             errhint("There are no valid options in this context.")));
  const char *provider_name = provider_of(server);
  const Asked asked = {statement->remote_schema, provider_name, statement->server_name,
                       connection_of(statement->remote_schema, provider_name),
                       listing_connector(provider_name)};
  const std::vector<Imported> *objects = wanted_objects(&asked, statement);
  // Each object is described by a request of its own.
  if (objects->size() >= static_cast<size_t>(settings.live_max_requests))
    ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                    errmsg("the import needs more than %d requests", settings.live_max_requests),
                    errhint("Name the objects with LIMIT TO.")));
  List *commands = NIL;
  for (const Imported &object : *objects) commands = lappend(commands, table_ddl(&asked, &object));
  return commands;
}

}  // namespace supaglue
