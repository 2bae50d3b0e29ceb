// pg: list_objects(), list_properties(): what the provider tells a customer of objects and fields.
#include "catalog.hpp"
#include "connection_key.hpp"
#include "inventory.hpp"
#include "pg.hpp"
#include "sql.hpp"

using namespace supaglue;

namespace {

int64 connection_of(FunctionCallInfo fcinfo, const char *provider_name, int application_argument) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *application = application_of(fcinfo, application_argument);
  const Api api = open_api();
  const int64 id = find_connection(application, customer, provider_name);
  close_api(api);
  return id;
}

char *dumped(const Json *rows) {
  return guarded_text([&] { return rows->dump(-1, ' ', false, Json::error_handler_t::replace); });
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_list_objects) {
  const char *provider_name = text_argument(fcinfo, 1, "provider_name");
  const int64 connection_id = connection_of(fcinfo, provider_name, 2);
  const Connector *connector = listing_connector(provider_name);
  const std::string *body = ask_for_objects(connection_id, connector);
  auto *rows = make_in<Json>(CurrentMemoryContext);
  guard([&] { *rows = list_objects(connector->directory, *body); });
  const char *listed = dumped(rows);
  const Api api = open_api();
  sql("SELECT object_type, object, label, raw FROM pg_catalog.jsonb_to_recordset($1::jsonb) "
      "AS row (object_type text, object text, label text, raw jsonb)",
      {text_arg(listed)});
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}

namespace {

// As the provider spells it, whatever its type.
char *exact_name(const Connector *connector, const char *object) {
  return guarded_text([&] {
    const std::string exact = connector->exact_object("standard", object);
    if (exact.empty())
      throw Error(ErrorClass::kBadDocument,
                  connector->name + " has no object named \"" + object + "\"", "",
                  "supaglue.list_objects() lists what there is.");
    return exact;
  });
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_list_properties) {
  const char *provider_name = text_argument(fcinfo, 1, "provider_name");
  const char *given = text_argument(fcinfo, 2, "object");
  const int64 connection_id = connection_of(fcinfo, provider_name, 3);
  const Connector *connector = listing_connector(provider_name);
  const char *object = exact_name(connector, given);
  const std::string *body = ask_for_properties(connection_id, connector, object);
  auto *rows = make_in<Json>(CurrentMemoryContext);
  guard([&] { *rows = list_properties(connector->directory, object, *body); });
  const char *listed = dumped(rows);
  const Api api = open_api();
  sql("SELECT name, label, description, type, provider_type, custom, options, raw "
      "FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS row (name text, label text, description "
      "text, type text, provider_type text, custom boolean, options jsonb, raw jsonb)",
      {text_arg(listed)});
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}
