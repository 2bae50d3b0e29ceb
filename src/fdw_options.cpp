// pg: the options of the foreign data wrapper's objects. See fdw_options.hpp.
#include "fdw_options.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

struct Option {
  Oid catalog;
  const char *name;
  bool required;
  const char *initial;  // its value when it is not given
};
constexpr Option kOptions[] = {
    {ForeignServerRelationId, "provider", true, nullptr},
    {ForeignTableRelationId, "object", true, nullptr},
    {ForeignTableRelationId, "object_type", false, "standard"},
    {ForeignTableRelationId, "customer", false, nullptr},
    {AttributeRelationId, "field", false, nullptr},
};

const Option *find_option(Oid catalog, const char *name) {
  for (const Option &option : kOptions)
    if (option.catalog == catalog && strcmp(option.name, name) == 0) return &option;
  return nullptr;
}

char *names_of(Oid catalog) {
  StringInfoData names;
  initStringInfo(&names);
  for (const Option &option : kOptions)
    if (option.catalog == catalog)
      appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", option.name);
  return names.data;
}

[[noreturn]] void refuse_value(const char *option, const char *value, const char *hint) {
  ereport(ERROR,
          (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
           errmsg("invalid value for option \"%s\": \"%s\"", option, value), errhint("%s", hint)));
  pg_unreachable();
}

void check_value(const char *option, const char *value) {
  if (strcmp(option, "provider") == 0) {
    if (guard([&] { return Connector::builtin(value) == nullptr; }))
      refuse_value(option, value, guarded_text([] {
                     std::string text;
                     for (const std::string &name : Connector::builtin_names())
                       text += (text.empty() ? "Providers are: " : ", ") + name;
                     return text + ".";
                   }));
  } else if (strcmp(option, "object_type") == 0) {
    if (strcmp(value, "standard") != 0 && strcmp(value, "custom") != 0 &&
        strcmp(value, "common") != 0 && strcmp(value, "entity") != 0)
      refuse_value(option, value, "An object's type is common, standard, custom or entity.");
  } else if (strcmp(option, "customer") == 0) {
    if (value[0] == '\0') refuse_value(option, value, "It is a customer's id.");
  } else if (value[0] == '\0') {
    refuse_value(option, value, "It is a name at the provider.");
  }
}

const char *value_of(const List *options, Oid catalog, const char *name) {
  const ListCell *cell;
  foreach (cell, options) {
    auto *given = static_cast<DefElem *>(lfirst(cell));
    if (strcmp(given->defname, name) == 0) return defGetString(given);
  }
  const Option *option = find_option(catalog, name);
  if (option->required)
    ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
                    errmsg("option \"%s\" is required", name)));
  return option->initial;
}

void validate(const List *options, Oid catalog) {
  const ListCell *cell;
  foreach (cell, options) {
    auto *given = static_cast<DefElem *>(lfirst(cell));
    if (find_option(catalog, given->defname) == nullptr) {
      const char *names = names_of(catalog);
      ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
                      errmsg("invalid option \"%s\"", given->defname),
                      names[0] == '\0' ? errhint("There are no valid options in this context.")
                                       : errhint("Valid options in this context are: %s.", names)));
    }
    check_value(given->defname, defGetString(given));
  }
  for (const Option &option : kOptions)
    if (option.catalog == catalog && option.required) value_of(options, catalog, option.name);
}

}  // namespace

LiveTable live_table(Oid relation) {
  const ForeignTable *table = GetForeignTable(relation);
  const ForeignServer *server = GetForeignServer(table->serverid);
  return {server->serverid,
          server->servername,
          value_of(server->options, ForeignServerRelationId, "provider"),
          value_of(table->options, ForeignTableRelationId, "object_type"),
          value_of(table->options, ForeignTableRelationId, "object"),
          value_of(table->options, ForeignTableRelationId, "customer")};
}

const char *provider_of(Oid server) {
  return value_of(GetForeignServer(server)->options, ForeignServerRelationId, "provider");
}

const char *column_field(Oid relation, AttrNumber number) {
  return value_of(GetForeignColumnOptions(relation, number), AttributeRelationId, "field");
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_fdw_validator) {
  validate(untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1));
  PG_RETURN_VOID();
}
