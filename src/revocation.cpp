// pg: tokens that their providers are to end. See revocation.hpp.
#include "revocation.hpp"

#include "pg.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "token.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kGiveUpMs = int64{24} * 3600 * 1000;

char *purpose_of(int64 id) { return format("erasure " INT64_FORMAT, id); }

/// What must be told to the provider, as JSON; "": nothing.
char *request_for(const Whose *whose, const TokenState *state) {
  return guarded_text([&]() -> std::string {
    const auto connector = Connector::builtin(whose->provider_name);
    const Grant &grant = state->grant;
    const std::string &token =
        grant.refresh_token.empty() ? state->access.access_token : grant.refresh_token;
    if (connector == nullptr || connector->oauth.revoke_path.empty() ||
        !is_token_granted(grant.auth_type) || token.empty())
      return "";
    const Json request = {{"login_url", grant.login_url},
                          {"client_id", grant.client_id},
                          {"client_secret", grant.client_secret},
                          {"token", token}};
    return request.dump();
  });
}

void keep(const Whose *whose, const char *request) {
  sql("SELECT pg_catalog.nextval('supaglue_internal.erasure_id')");
  const int64 id = int_at(0, 1);
  const bytea *sealed = seal_secret(purpose_of(id), request);
  sql("INSERT INTO supaglue_internal.erasures"
      " (id, what, application_id, customer_id, provider_name, secret)"
      " VALUES ($1, 'token', $2, $3, $4, $5)",
      {int_arg(id), text_arg(whose->application_id), text_arg(whose->customer_id),
       text_arg(whose->provider_name), bytes_arg(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed))});
}

void read_request(Revocation *revocation, const char *provider_name, const char *text) {
  guard([&] {
    const Json request = Json::parse(text);
    revocation->connector = Connector::builtin(provider_name);
    if (revocation->connector == nullptr)
      throw Error(ErrorClass::kInternal,
                  std::string("there is no connector \"") + provider_name + '"');
    revocation->grant.auth_type = "oauth2";
    revocation->grant.login_url = request.value("login_url", "");
    revocation->grant.client_id = request.value("client_id", "");
    revocation->grant.client_secret = request.value("client_secret", "");
    revocation->grant.refresh_token = request.value("token", "");
  });
}

/// Whether the customer has been connected again, by the very token: some providers give the same
/// one again.
bool is_in_use(const Whose *whose, const Revocation *revocation) {
  if (sql("SELECT c.id FROM supaglue_internal.connections c"
          " JOIN supaglue_internal.providers p ON p.id = c.provider_id"
          " WHERE c.application_id = $1 AND c.customer_id = $2 AND p.name = $3",
          {text_arg(whose->application_id), text_arg(whose->customer_id),
           text_arg(whose->provider_name)}) == 0)
    return false;
  const TokenState *state = load_tokens(CurrentMemoryContext, int_at(0, 1));
  return guard([&] {
    const std::string &token = revocation->grant.refresh_token;
    return token == state->grant.refresh_token || token == state->access.access_token;
  });
}

void drop(int64 id) { sql("DELETE FROM supaglue_internal.erasures WHERE id = $1", {int_arg(id)}); }

/// It failed. `lasting`: nothing will change that.
void record_failure(int64 id, const char *message, bool lasting) {
  if (sql("SELECT attempts + 1, since, provider_name FROM supaglue_internal.erasures WHERE id = $1",
          {int_arg(id)}) == 0)
    return;
  const int attempts = static_cast<int>(int_at(0, 1));
  if (lasting || now_ms() - ms_of_time(time_at(0, 2)) > kGiveUpMs) {
    ereport(WARNING,
            (errmsg("the token of a deleted connection to \"%s\" was not revoked", text_at(0, 3)),
             errdetail_internal("%s", message)));
    return drop(id);
  }
  sql("UPDATE supaglue_internal.erasures SET attempts = $2, next_attempt_at = $3, last_error = $4"
      " WHERE id = $1",
      {int_arg(id), int_arg(attempts),
       time_arg(time_of_ms(retry_at(now_ms(), Min(attempts, 20), 0, jitter()))),
       text_arg(message)});
}

// --- Those of a fetcher
// ---------------------------------------------------------------------------

struct Due {
  int64 id;
  Whose whose;
  const bytea *sealed;
};

void begin(Revocations *revocations, const Due *due) {
  auto *revocation = make_in<Revocation>(CurrentMemoryContext);
  bool in_use = false;
  ErrorData *error = attempt([&] {
    revocation->id = due->id;
    read_request(revocation, due->whose.provider_name,
                 unseal_secret(purpose_of(due->id), due->sealed));
    in_use = is_in_use(&due->whose, revocation);
  });
  if (error != nullptr) return record_failure(due->id, error->message, false);
  if (in_use) return drop(due->id);
  guard([&] {
    revocations->by_id.emplace(int64{due->id},
                               std::make_unique<Revocation>(std::move(*revocation)));
  });
}

void take_answer(Revocations *revocations, Revocation *revocation, const Response *response) {
  Raised failure;
  const bool is_over = attempt([&] { revocation_answer(*response); }, &failure);
  const int64 id = revocation->id;
  guard([&] { revocations->by_id.erase(int64{id}); });
  const bool passing =
      !is_over && strcmp(failure.sqlstate, sqlstate_of(ErrorClass::kTransient)) == 0;
  work([&] {
    if (is_over) return drop(id);
    record_failure(id, failure.message, !passing);
    wake_at_commit(WorkerKind::kFetcher);  // to see when it is due again
  });
}

}  // namespace

void queue_revocation(int64 connection_id, const Whose *whose) {
  const char *request = "";
  ErrorData *error = attempt(
      [&] { request = request_for(whose, load_tokens(CurrentMemoryContext, connection_id)); });
  if (error != nullptr)
    ereport(WARNING,
            (errmsg("the token of connection " INT64_FORMAT " cannot be revoked", connection_id),
             errdetail_internal("%s", error->message)));
  if (error != nullptr || request[0] == '\0') return;
  keep(whose, request);
  wake_at_commit(WorkerKind::kFetcher);
}

void read_revocations(Revocations *revocations) {
  const int count = static_cast<int>(
      sql("SELECT id, application_id, customer_id, provider_name, secret"
          " FROM supaglue_internal.erasures WHERE what = 'token'"
          " AND next_attempt_at <= pg_catalog.clock_timestamp() ORDER BY id LIMIT 20"));
  auto *all = static_cast<Due *>(palloc(sizeof(Due) * Max(count, 1)));
  for (int i = 0; i < count; ++i)
    all[i] = {int_at(i, 1), {text_at(i, 2), text_at(i, 3), text_at(i, 4)}, bytes_at(i, 5)};
  for (int i = 0; i < count; ++i)
    if (revocations->by_id.count(all[i].id) == 0) begin(revocations, &all[i]);
  sql("SELECT min(next_attempt_at) FROM supaglue_internal.erasures WHERE what = 'token'"
      " AND next_attempt_at > pg_catalog.clock_timestamp()");
  revocations->next_ms = null_at(0, 1) ? 0 : ms_of_time(time_at(0, 1));
}

void tend_revocations(Revocations *revocations, Pool *pool) {
  const size_t count = revocations->by_id.size();
  if (count == 0) return;
  auto **all = static_cast<Revocation **>(palloc(sizeof(Revocation *) * count));
  guard([&] {
    Revocation **next = all;
    for (const auto &[id, revocation] : revocations->by_id) *next++ = revocation.get();
  });
  auto *response = make_in<Response>(CurrentMemoryContext);
  for (size_t i = 0; i < count; ++i) {
    Revocation *revocation = all[i];
    const bool answered = guard([&] {
      if (revocation->transfer == 0)
        revocation->transfer =
            pool->start(revocation_request(*revocation->connector, revocation->grant));
      return pool->take(revocation->transfer, response);
    });
    if (answered) take_answer(revocations, revocation, response);
  }
}

void drop_revocations(Revocations *revocations, Pool *pool) {
  guard([&] {
    for (const auto &[id, revocation] : revocations->by_id)
      if (revocation->transfer != 0) pool->cancel(revocation->transfer);
    revocations->by_id.clear();
  });
}

}  // namespace supaglue
