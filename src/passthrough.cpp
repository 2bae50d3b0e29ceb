// pg: passthrough(): any call to a provider's own API with a customer's credentials.
#include "exchange.hpp"

#include "catalog.hpp"
#include "connection_key.hpp"
#include "pg.hpp"
#include "reading.hpp"
#include "resource.hpp"
#include "sql.hpp"

using namespace supaglue;

namespace {

// What has an effect at the provider is not for a transaction, nor for a database, that has none.
void require_effect(const Request *request, bool is_copy) {
  if (is_reading(*request)) return;
  PreventCommandIfReadOnly("passthrough() of a method that writes");
  PreventCommandDuringRecovery("passthrough() of a method that writes");
  if (is_copy)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("this database is a copy of the one that the connections belong to"),
                    errdetail("A copy changes nothing at the provider."),
                    errhint("Call supaglue.adopt_database() if this one shall take its place.")));
}

Jsonb *parsed(const char *text) {
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

Jsonb *document_of(const Response *response, const char *url, BodyForm form) {
  return parsed(guarded_text([&] { return write_exchange(*response, url, form); }));
}

// jsonb does not hold all that JSON can say: then the text stands as it came.
Jsonb *document_of(const Response *response, const char *url) {
  const std::string &body = response->body;
  if (body.empty()) return document_of(response, url, BodyForm::kNone);
  if (!pg_verify_mbstr(PG_UTF8, body.data(), static_cast<int>(body.size()), true))
    return document_of(response, url, BodyForm::kBytes);
  Jsonb *document = nullptr;
  if (guard([&] { return claims_json(*response); }) &&
      attempt([&] { document = document_of(response, url, BodyForm::kJson); }) == nullptr)
    return document;
  return document_of(response, url, BodyForm::kText);
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_passthrough) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider_name = text_argument(fcinfo, 1, "provider_name");
  const char *asked = document_argument(fcinfo, 2, "request");
  const char *application = application_of(fcinfo, 3);
  const Api api = open_api();
  const int64 connection_id = find_connection(application, customer, provider_name);
  const bool is_copy = installation_is_elsewhere();
  close_api(api);
  auto *request = make_in<Request>(CurrentMemoryContext);
  guard([&] {
    const auto connector = Connector::builtin(provider_name);
    if (connector == nullptr)
      throw Error(ErrorClass::kBadDocument,
                  std::string("there is no provider \"") + provider_name + "\"");
    *request = read_exchange(*connector, asked);
  });
  require_effect(request, is_copy);
  char *url;
  const Response *response = call_provider(connection_id, provider_name, request, true, &url);
  PG_RETURN_JSONB_P(document_of(response, url));
}
