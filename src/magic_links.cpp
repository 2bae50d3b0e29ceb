// pg: create_magic_link(), redeem_magic_link(): a link by which a customer who is not signed in
// anywhere begins to connect, once. Only its digest is kept.
#include "encoding.hpp"

#include "catalog.hpp"
#include "connection_rows.hpp"
#include "oauth_states.hpp"
#include "pg.hpp"
#include "sql.hpp"

using namespace supaglue;

namespace {

constexpr size_t kTokenBytes = 32;

char *digest_of(const char *token) {
  return guarded_text([&] { return hexadecimal(sha256(token)); });
}

char *new_token() {
  return guarded_text([] { return base64url(random_bytes(kTokenBytes)); });
}

TimestampTz expiry_argument(FunctionCallInfo fcinfo, int argument) {
  if (PG_ARGISNULL(argument))
    ereport(ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("expires_in must not be null")));
  const TimestampTz now = GetCurrentTimestamp();
  const TimestampTz expires_at = DatumGetTimestampTz(DirectFunctionCall2(
      timestamptz_pl_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(argument)));
  if (expires_at <= now)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("expires_in must be greater than zero")));
  return expires_at;
}

/// A month longer than they are good for, so that whoever comes late is told why.
void forget_old_links() {
  sql("DELETE FROM supaglue_internal.magic_links WHERE id IN ("
      "SELECT id FROM supaglue_internal.magic_links "
      "WHERE expires_at < pg_catalog.now() - '1 month'::interval LIMIT 100 FOR UPDATE SKIP "
      "LOCKED)");
}

struct Link {
  char *application_id;
  char *customer_id;
  char *provider_name;
  char *return_url;
};

[[noreturn]] void useless(const char *why) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the magic link %s", why),
                  errhint("supaglue.create_magic_link() makes another.")));
  pg_unreachable();
}

Link spend(const char *token) {
  const char *digest = digest_of(token);
  if (sql("SELECT l.application_id, l.customer_id, p.name, l.return_url, "
          "l.redeemed_at IS NOT NULL, l.expires_at <= pg_catalog.clock_timestamp() "
          "FROM supaglue_internal.magic_links l "
          "JOIN supaglue_internal.providers p ON p.id = l.provider_id "
          "WHERE l.digest = $1 FOR UPDATE OF l",
          {text_arg(digest)}) == 0)
    useless("is not known");
  const Link link = {text_at(0, 1), text_at(0, 2), text_at(0, 3), text_at(0, 4)};
  if (bool_at(0, 5)) useless("was used already");
  if (bool_at(0, 6)) useless("has expired");
  sql("UPDATE supaglue_internal.magic_links SET redeemed_at = pg_catalog.clock_timestamp() "
      "WHERE digest = $1",
      {text_arg(digest)});
  return link;
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_create_magic_link) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider_name = text_argument(fcinfo, 1, "provider_name");
  const char *return_url = text_argument(fcinfo, 2, "return_url");
  const TimestampTz expires_at = expiry_argument(fcinfo, 3);
  const char *application = application_of(fcinfo, 4);
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "create_magic_link() returns a row");
  const Api api = open_api();
  require_return_url(return_url);
  const int64 provider_id = require_consenting_provider(application, provider_name);
  require_customer(application, customer);
  forget_old_links();
  const char *token = new_token();
  sql("INSERT INTO supaglue_internal.magic_links (digest, application_id, customer_id, "
      "provider_id, "
      "return_url, expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
      {text_arg(digest_of(token)), text_arg(application), text_arg(customer), int_arg(provider_id),
       text_arg(return_url), time_arg(expires_at)});
  Datum values[] = {Int64GetDatum(int_at(0, 1)), CStringGetTextDatum(token),
                    TimestampTzGetDatum(expires_at)};
  bool nulls[] = {false, false, false};
  const Datum row = SPI_datumTransfer(
      HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)), false, -1);
  close_api(api);
  PG_RETURN_DATUM(row);
}

SUPAGLUE_FUNCTION(supaglue_redeem_magic_link) {
  const char *token = text_argument(fcinfo, 0, "token");
  const Api api = open_api();
  const Link link = spend(token);
  const char *url = ask_for_consent(link.application_id, link.customer_id, link.provider_name,
                                    link.return_url, "{}");
  const Datum result = SPI_datumTransfer(CStringGetTextDatum(url), false, -1);
  close_api(api);
  PG_RETURN_DATUM(result);
}
