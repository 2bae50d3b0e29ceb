// pg: create_connection(), update_connection(), delete_connection(), test_connection().
#include "catalog.hpp"
#include "connection_rows.hpp"
#include "pg.hpp"
#include "reading.hpp"
#include "resource.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

namespace {

void require_auth_type(const Resource *connection, int64 provider_id) {
  sql("SELECT config ->> 'auth_type' FROM supaglue_internal.providers WHERE id = $1",
      {int_arg(provider_id)});
  const char *expected = text_at(0, 1);
  if (!same_text(text_of(connection, "auth_type"), expected))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the credentials of the connection are not of the provider's auth_type"),
                    errdetail("The provider's is \"%s\".", expected)));
}

// The part of the document that the table has no column for.
char *config_of(const Resource *connection) {
  return guarded_text([&] {
    Json config = connection->document->plain;
    for (const char *key : {"application_id", "customer_id", "provider_id", "provider_name"})
      config.erase(key);
    return config.dump();
  });
}

// When the access token that was given ends: a stamp, or seconds or milliseconds since 1970.
TimestampTz expiry_of(const Resource *connection) {
  const char *expiry = guarded_text([&]() -> std::string {
    const Json &secret = connection->document->secret;
    if (!secret.contains("expires_at")) return "";
    if (secret["expires_at"].is_string()) return secret["expires_at"].get<std::string>();
    const int64_t number = secret["expires_at"].get<int64_t>();
    return std::to_string(number < 100'000'000'000 ? number * 1000 : number);
  });
  if (expiry[0] == '\0') return DT_NOBEGIN;
  const bool is_number = strspn(expiry, "0123456789") == strlen(expiry);
  sql(is_number ? "SELECT pg_catalog.to_timestamp($1::numeric / 1000)" : "SELECT $1::timestamptz",
      {text_arg(expiry)});
  return time_at(0, 1);
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_create_connection) {
  const char *document = document_argument(fcinfo, 0, "config");
  const Api api = open_api();
  const Resource *connection = read_resource([&] { return read_connection(document); });
  const char *customer = text_of(connection, "customer_id");
  check_secret_files(api.caller, connection->secret);
  const Reference provider = resolve(kProvider, connection, "provider_id", "provider_name");
  require_customer(connection->application_id, customer);
  require_auth_type(connection, provider.id);
  if (sql("SELECT id FROM supaglue_internal.connections "
          "WHERE application_id = $1 AND customer_id = $2 AND provider_id = $3",
          {text_arg(connection->application_id), text_arg(customer), int_arg(provider.id)}) > 0)
    ereport(ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT),
             errmsg("customer \"%s\" has a connection to \"%s\" already", customer, provider.name),
             errdetail("It has the id %s.", text_at(0, 1)),
             errhint("Use supaglue.update_connection() to give it new credentials.")));
  claim_installation();
  const int64 id = take_id(kConnection, connection->id);
  const ConnectionRow row = {
      .application_id = connection->application_id,
      .customer_id = customer,
      .provider_id = provider.id,
      .provider_name = provider.name,
      .config = config_of(connection),
      .secret = connection->secret,
      .expires_at = expiry_of(connection),
  };
  insert_connection(id, &row);
  close_api(api);
  PG_RETURN_INT64(id);
}

namespace {

struct StoredConnection {
  Resource *resource;
  char *provider_name;
  bool active;
};

StoredConnection load_connection(int64 id) {
  if (sql("SELECT c.application_id, p.name, (c.config || pg_catalog.jsonb_build_object("
          "  'customer_id', c.customer_id, 'provider_name', p.name))::text, t.secret, c.status = "
          "'active' "
          "FROM supaglue_internal.connections c "
          "JOIN supaglue_internal.providers p ON p.id = c.provider_id "
          "JOIN supaglue_internal.tokens t ON t.connection_id = c.id WHERE c.id = $1 "
          "FOR UPDATE OF c, t",
          {int_arg(id)}) == 0)
    no_such(kConnection, id);
  const char *application = text_at(0, 1), *plain = text_at(0, 3);
  StoredConnection stored = {nullptr, text_at(0, 2), bool_at(0, 5)};
  stored.resource = stored_resource(kConnection, id, application, "", plain, bytes_at(0, 4));
  return stored;
}

// Whose connection it is and to what is what it is.
void require_same_ends(const Resource *next, const StoredConnection &stored) {
  const char *customer = text_of(stored.resource, "customer_id");
  if (same_text(text_of(next, "customer_id"), customer) &&
      strcmp(resolve(kProvider, next, "provider_id", "provider_name").name, stored.provider_name) ==
          0)
    return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("the customer and the provider of a connection cannot change"),
                  errhint("Create another connection.")));
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_update_connection) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *patch = document_argument(fcinfo, 1, "config");
  const Api api = open_api();
  const StoredConnection stored = load_connection(id);
  const char *document = patched_document(kConnection, stored.resource, patch);
  Resource *next = read_resource([&] { return read_connection(document); });
  require_same_identity(kConnection, stored.resource, next);
  require_same_ends(next, stored);
  if (!same_text(text_of(next, "auth_type"), text_of(stored.resource, "auth_type")))
    require_auth_type(next, resolve(kProvider, next, "provider_id", "provider_name").id);
  sql("UPDATE supaglue_internal.connections SET config = $2::jsonb WHERE id = $1",
      {int_arg(id), text_arg(config_of(next))});
  if (!stored.active || !same_text(next->secret, stored.resource->secret)) {
    check_secret_files(api.caller, next->secret);
    const ConnectionRow row = {.secret = next->secret, .expires_at = expiry_of(next)};
    replace_credentials(id, &row);
  }
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_connection) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const bool erase = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
  const bool revoke = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
  const Api api = open_api();
  const Whose whose = end_connection(id, erase, revoke);
  if (erase) erase_rows(&whose, api.caller);
  close_api(api);
  PG_RETURN_VOID();
}

namespace {

// Errors that tell how the connection is; the others are the caller's, or ours.
bool is_about_connection(const ErrorData *error) {
  return strcmp(error_class_of(error->sqlerrcode), name_of(ErrorClass::kInternal)) != 0;
}

char *provider_of(int64 connection_id) {
  MemoryContext context = CurrentMemoryContext;
  const Api api = open_api();
  if (sql("SELECT p.name FROM supaglue_internal.connections c "
          "JOIN supaglue_internal.providers p ON p.id = c.provider_id WHERE c.id = $1",
          {int_arg(connection_id)}) == 0)
    no_such(kConnection, connection_id);
  MemoryContextSwitchTo(context);  // the name must outlive SPI's memory
  char *name = text_at(0, 1);
  close_api(api);
  return name;
}

}  // namespace

// It records nothing: a lock on the connection's row would stand in the way of the token keeper for
// as long as the caller's transaction lasts.
SUPAGLUE_FUNCTION(supaglue_test_connection) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *provider_name = provider_of(id);
  const char *account_name = nullptr;
  ErrorData *error = attempt([&] { account_name = probe_connection(id, provider_name); });
  if (error != nullptr && !is_about_connection(error)) ReThrowError(error);
  const char *message = error == nullptr ? "the connection works"
                        : error->detail == nullptr
                            ? error->message
                            : format("%s: %s", error->message, error->detail);
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "test_connection() returns a row");
  Datum values[] = {BoolGetDatum(error == nullptr), CStringGetTextDatum(message),
                    account_name ? CStringGetTextDatum(account_name) : static_cast<Datum>(0)};
  bool nulls[] = {false, false, account_name == nullptr};
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
