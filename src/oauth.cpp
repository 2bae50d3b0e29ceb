// pg: oauth_connect_url(), oauth_callback(): a customer connects by consenting on the provider's
// page. The code is exchanged in the caller's backend, while no row is locked.
#include "consent.hpp"

#include "catalog.hpp"
#include "connection_rows.hpp"
#include "oauth_states.hpp"
#include "pg.hpp"
#include "reading.hpp"
#include "resource.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

namespace {

/// What the callback came to, as it is returned.
struct Outcome {
  int64 connection_id;  // 0: none
  const char *customer_id;
  const char *return_url;
  const char *outcome;
  const char *message;
};

/// The objects of one exchange, for guard bodies.
struct Exchange {
  std::shared_ptr<const Connector> connector;
  ConsentAnswer answer;
  Access access;
  Grant grant;
  Request request;
  Response response;
  Tokens tokens;
  std::string secret;  // JSON of them, as a connection's is kept
  Account account;
};

/// The texts from which the provider's app and its addresses are put together.
struct AppTexts {
  char *provider_name;
  char *provider_config;
  char *provider_secret;    // null: none
  char *connection_config;  // of the connection that there is, or will be
  char *account_id;         // of the connection that there is; null: not known
};

constexpr const char *kUseless = "this way to connect was used already, or is too old: begin again";

AppTexts load_app(const PendingConsent *consent) {
  sql_latest(
      "SELECT p.name, p.config::text, p.secret, "
      "(coalesce(c.config, '{}') || pg_catalog.jsonb_strip_nulls("
      "  pg_catalog.jsonb_build_object('auth_type', 'oauth2', 'login_url', $2)))::text, "
      "c.account_id "
      "FROM supaglue_internal.providers p LEFT JOIN supaglue_internal.connections c "
      "ON c.provider_id = p.id AND c.application_id = $3 AND c.customer_id = $4 "
      "WHERE p.id = $1",
      {int_arg(consent->provider_id), text_arg(consent->login_url),
       text_arg(consent->application_id), text_arg(consent->customer_id)});
  if (SPI_processed == 0) elog(ERROR, "the provider of a consent is gone");
  AppTexts app = {text_at(0, 1), text_at(0, 2), nullptr, text_at(0, 4), text_at(0, 5)};
  const bytea *sealed = bytes_at(0, 3);
  if (sealed != nullptr)
    app.provider_secret = unseal_secret(purpose_of(kProvider, consent->provider_id), sealed);
  return app;
}

/// An address that was pinned for one account is not another's.
char *without_instance_url(const char *config) {
  return guarded_text([&] {
    Json document = Json::parse(config);
    document.erase("instance_url");
    return document.dump();
  });
}

/// For guard bodies: the app, and with the tokens where they lead.
void resolve(const AppTexts *app, const PendingConsent *consent, Exchange *exchange) {
  exchange->secret = Json{{"access_token", exchange->tokens.access_token}}.dump();
  CredentialTexts texts = {};
  texts.provider_name = app->provider_name;
  texts.connection_config = app->connection_config;
  texts.provider_config = app->provider_config;
  texts.provider_secret = app->provider_secret;
  texts.secret = exchange->secret.c_str();
  if (!exchange->tokens.base_url.empty()) texts.base_url = exchange->tokens.base_url.c_str();
  resolve_credential(texts, &exchange->access, &exchange->grant);
  exchange->grant.code = exchange->answer.code;
  exchange->grant.code_verifier = exchange->connector->oauth.pkce ? consent->verifier : "";
  exchange->grant.redirect_uri = consent->redirect_uri;
}

/// Sends the request and waits for its answer, on the latch too.
void send_and_wait(Exchange *exchange) {
  Pool *pool = backend_pool();
  const Pool::Transfer transfer = guard([&] { return pool->start(exchange->request); });
  while (!guard([&] {
    pool->pump();
    return pool->take(transfer, &exchange->response);
  })) {
    CHECK_FOR_INTERRUPTS();
    wait_for_network(0);
  }
}

/// What the customer is told of an error: the provider's words, where it spoke.
char *words_of(const Raised *raised) {
  return raised->detail[0] == '\0' ? pstrdup(raised->message)
                                   : format("%s: %s", raised->message, raised->detail);
}

/// The code for tokens. Null when it went well, else why not.
char *exchange_code(const AppTexts *app, const PendingConsent *consent, Exchange *exchange) {
  Raised raised;
  const int64 asked_at = now_ms();
  if (!attempt(
          [&] {
            resolve(app, consent, exchange);
            exchange->request = token_request(*exchange->connector, exchange->grant, asked_at);
          },
          &raised))
    return words_of(&raised);
  send_and_wait(exchange);
  const int64 now = now_ms();
  if (!attempt(
          [&] {
            exchange->tokens =
                token_answer(*exchange->connector, exchange->grant, exchange->response, now);
          },
          &raised))
    return words_of(&raised);
  if (exchange->connector->oauth.refreshes && exchange->tokens.refresh_token.empty())
    return pstrdup(
        "the provider gave no refresh token: does a scope that asks for one lack "
        "(\"refresh_token\", \"offline_access\")?");
  return nullptr;
}

/// Whose account it is. Where the token answer has told, the rest is a courtesy and may fail; else
/// null, or why it is not known.
char *identify(const AppTexts *app, const PendingConsent *consent, Exchange *exchange) {
  Raised raised;
  bool asks = false, must = false;
  const int64 now = now_ms();
  bool well = attempt(
      [&] {
        const Probe &probe = exchange->connector->probe;
        exchange->account.id = exchange->tokens.account_id;
        asks = !probe.path.empty() &&
               !(probe.account_name_pointer.empty() && probe.account_id_pointer.empty());
        must = exchange->account.id.empty() && !probe.account_id_pointer.empty();
        resolve(app, consent, exchange);
        if (!asks) return;
        exchange->request =
            authorize(*exchange->connector, exchange->access,
                      {.url = probe.path, .headers = {{"Accept", "application/json"}}});
      },
      &raised);
  if (well && asks) {
    send_and_wait(exchange);
    well = attempt(
        [&] {
          Verdict verdict = judge(*exchange->connector, exchange->response, {1, true}, now, 0);
          if (verdict.kind != Verdict::Kind::kDeliver) throw Error(verdict.error);
          const Account told = account_in(exchange->connector->probe, exchange->response);
          exchange->account.name = told.name;
          if (exchange->account.id.empty()) exchange->account.id = told.id;
          if (must && told.id.empty())
            throw Error(ErrorClass::kProvider, "the provider does not say whose account it is");
        },
        &raised);
  }
  return well || !must ? nullptr : words_of(&raised);
}

const char *text_or_null(const std::string *text) {
  return text->empty() ? nullptr : text->c_str();
}

ConnectionRow row_of(const AppTexts *app, const PendingConsent *consent, const Exchange *exchange) {
  return {
      .application_id = consent->application_id,
      .customer_id = consent->customer_id,
      .provider_id = consent->provider_id,
      .provider_name = app->provider_name,
      .config = app->connection_config,
      .secret = guarded_text([&] {
        Json secret = {{"access_token", exchange->tokens.access_token}};
        if (!exchange->tokens.refresh_token.empty())
          secret["refresh_token"] = exchange->tokens.refresh_token;
        return secret.dump();
      }),
      .expires_at = exchange->tokens.expires_at_ms == 0
                        ? DT_NOBEGIN
                        : time_of_ms(exchange->tokens.expires_at_ms),
      .granted = true,
      .base_url = text_or_null(&exchange->tokens.base_url),
      .account_id = text_or_null(&exchange->account.id),
      .account_name = text_or_null(&exchange->account.name),
  };
}

/// The connection that the customer has, locked; id 0: none.
struct Existing {
  int64 id;
  char *config;
  char *account_id;
  char *account_name;
};

Existing lock_existing(const PendingConsent *consent) {
  if (sql("SELECT c.id, (c.config || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
          "  'auth_type', 'oauth2', 'login_url', $4)))::text, c.account_id, c.account_name "
          "FROM supaglue_internal.connections c "
          "JOIN supaglue_internal.tokens t ON t.connection_id = c.id "
          "WHERE c.application_id = $1 AND c.customer_id = $2 AND c.provider_id = $3 "
          "FOR UPDATE OF c, t",
          {text_arg(consent->application_id), text_arg(consent->customer_id),
           int_arg(consent->provider_id), text_arg(consent->login_url)}) == 0)
    return {};
  return {int_at(0, 1), text_at(0, 2), text_at(0, 3), text_at(0, 4)};
}

const char *named(const char *account_id, const char *account_name) {
  return account_name == nullptr ? account_id : account_name;
}

void connect(ConnectionRow *row, Outcome *outcome) {
  outcome->connection_id = take_id(kConnection, 0);
  insert_connection(outcome->connection_id, row);
  outcome->outcome = "connected";
  outcome->message = row->account_name == nullptr
                         ? format("connected to %s", row->provider_name)
                         : format("connected to %s as %s", row->provider_name, row->account_name);
}

void reconnect(const PendingConsent *consent, const Existing *existing, ConnectionRow *row,
               Outcome *outcome) {
  outcome->connection_id = existing->id;
  const bool is_other = row->account_id != nullptr && existing->account_id != nullptr &&
                        strcmp(row->account_id, existing->account_id) != 0;
  if (is_other && !consent->replace_account) {
    outcome->outcome = "wrong_account";
    outcome->message =
        format("this is the account %s, and the connection is to %s: nothing was changed",
               named(row->account_id, row->account_name),
               named(existing->account_id, existing->account_name));
    return;
  }
  row->config = is_other ? without_instance_url(existing->config) : existing->config;
  if (!is_other && row->account_id == nullptr) row->account_id = existing->account_id;
  if (!is_other && row->account_name == nullptr) row->account_name = existing->account_name;
  sql("UPDATE supaglue_internal.connections SET config = $2::jsonb, account_id = $3, "
      "account_name = $4 WHERE id = $1",
      {int_arg(existing->id), text_arg(row->config), text_arg(row->account_id),
       text_arg(row->account_name)});
  // What the old account's syncs still do must not end in what the new one's begin with.
  if (is_other) restart_syncs(find_syncs({.connection_id = existing->id}));
  replace_credentials(existing->id, row);
  outcome->outcome = "reconnected";
  outcome->message =
      row->account_name == nullptr
          ? format("connected to %s again", row->provider_name)
          : format("connected to %s again as %s", row->provider_name, row->account_name);
}

/// The consent is answered. False: meanwhile by another callback.
bool settle(const PendingConsent *consent, Outcome *outcome) {
  if (forget_consent(consent)) return true;
  *outcome = {0, nullptr, nullptr, "expired", kUseless};
  return false;
}

void store(const AppTexts *app, const PendingConsent *consent, const Exchange *exchange,
           Outcome *outcome) {
  // As create_connection() locks; a customer or provider who was deleted took the consent along.
  sql("SELECT FROM supaglue_internal.providers WHERE id = $1 FOR NO KEY UPDATE",
      {int_arg(consent->provider_id)});
  if (!settle(consent, outcome)) return;
  claim_installation();
  const Existing existing = lock_existing(consent);
  ConnectionRow row = row_of(app, consent, exchange);
  if (existing.id == 0)
    connect(&row, outcome);
  else
    reconnect(consent, &existing, &row, outcome);
}

/// The provider sent the browser back without a code.
void refuse(const Exchange *exchange, Outcome *outcome) {
  outcome->message = guarded_text([&] {
    const ConsentAnswer &answer = exchange->answer;
    return answer.error_description.empty() ? answer.error : answer.error_description;
  });
  const bool denied = guard([&] { return exchange->answer.error == "access_denied"; });
  outcome->outcome = denied ? "denied" : "failed";
}

void fail(const char *message, Outcome *outcome) {
  outcome->outcome = "failed";
  outcome->message = message;
}

void answer_consent(const PendingConsent *consent, Exchange *exchange, Outcome *outcome) {
  *outcome = {0, consent->customer_id, consent->return_url, "expired", kUseless};
  const bool has_code = guard([&] { return exchange->answer.error.empty(); });
  if (consent->expired || !has_code) {
    if (!consent->expired) refuse(exchange, outcome);
    settle(consent, outcome);
    return;
  }
  AppTexts app = load_app(consent);
  guard([&] { exchange->connector = Connector::builtin(app.provider_name); });
  char *complaint = exchange_code(&app, consent, exchange);
  if (complaint == nullptr) {
    const std::string *told = &exchange->tokens.account_id;
    if (app.account_id != nullptr && !told->empty() && *told != app.account_id)
      app.connection_config = without_instance_url(app.connection_config);
    complaint = identify(&app, consent, exchange);
  }
  if (complaint == nullptr) return store(&app, consent, exchange, outcome);
  fail(complaint, outcome);
  settle(consent, outcome);
}

Datum row_of(FunctionCallInfo fcinfo, const Outcome *outcome) {
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "oauth_callback() returns a row");
  const char *const texts[] = {outcome->customer_id, outcome->return_url, outcome->outcome,
                               outcome->message};
  Datum values[5] = {Int64GetDatum(outcome->connection_id)};
  bool nulls[5] = {outcome->connection_id == 0};
  for (int i = 0; i < 4; ++i) {
    nulls[i + 1] = texts[i] == nullptr;
    if (texts[i] != nullptr) values[i + 1] = CStringGetTextDatum(texts[i]);
  }
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_oauth_connect_url) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider_name = text_argument(fcinfo, 1, "provider_name");
  const char *return_url = text_argument(fcinfo, 2, "return_url");
  const char *options = document_argument(fcinfo, 3, "options");
  const char *application = application_of(fcinfo, 4);
  const Api api = open_api();
  const char *url = ask_for_consent(application, customer, provider_name, return_url, options);
  const Datum result = SPI_datumTransfer(CStringGetTextDatum(url), false, -1);
  close_api(api);
  PG_RETURN_DATUM(result);
}

// The state is spent by the transaction of the caller, and by its rollback given back: the code
// that came with it is not, so that a second try fails at the provider.
SUPAGLUE_FUNCTION(supaglue_oauth_callback) {
  const char *parameters = document_argument(fcinfo, 0, "params");
  const char *expected =
      PG_ARGISNULL(1) ? nullptr : text_argument(fcinfo, 1, "expected_customer_id");
  // Before a code is spent of which nothing could be kept.
  PreventCommandIfReadOnly("oauth_callback()");
  auto *exchange = make_in<Exchange>(CurrentMemoryContext);
  guard([&] { exchange->answer = read_consent_answer(parameters); });
  const Api api = open_api();
  Outcome outcome = {0, nullptr, nullptr, "expired", kUseless};
  const PendingConsent *consent = find_consent(exchange->answer.state.c_str());
  if (consent != nullptr && expected != nullptr && strcmp(expected, consent->customer_id) != 0)
    // In another customer's browser a state is no secret any more; he learns nothing of it.
    forget_consent(consent);
  else if (consent != nullptr)
    answer_consent(consent, exchange, &outcome);
  const Datum row = SPI_datumTransfer(row_of(fcinfo, &outcome), false, -1);
  close_api(api);
  PG_RETURN_DATUM(row);
}
