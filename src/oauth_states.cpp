// pg: consents under way. See oauth_states.hpp.
#include "consent.hpp"
#include "encoding.hpp"

#include "oauth_states.hpp"

#include "catalog.hpp"
#include "connection_rows.hpp"
#include "pg.hpp"
#include "secret.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// What a request is made of, for guard bodies.
struct Asking {
  std::shared_ptr<const Connector> connector;
  ConsentOptions options;
  ConsentRequest request;
  ConsentSecrets secrets;
};

char *digest_of(const char *state) {
  return guarded_text([&] { return hexadecimal(sha256(state)); });
}

char *purpose_of(const char *digest) { return format("oauth state %s", digest); }

[[noreturn]] void no_redirect_uri(int64 provider_id, const char *provider_name) {
  ereport(
      ERROR,
      (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
       errmsg("provider \"%s\" has no redirect_uri", provider_name),
       errdetail("It is the address of the application's callback, as it is registered with the "
                 "provider's app."),
       errhint("SELECT supaglue.update_provider(" INT64_FORMAT
               ", '{\"config\": {\"oauth\": {\"redirect_uri\": \"https://...\"}}}');",
               provider_id)));
  pg_unreachable();
}

/// For guard bodies: what the provider's document says, and what the options say otherwise.
void fill_request(Asking *asking, const char *provider_config, const char *login_url) {
  const Json config = Json::parse(provider_config);
  ConsentRequest &request = asking->request;
  request.login_url = asking->options.login_url;
  if (request.login_url.empty() && login_url != nullptr) request.login_url = login_url;
  if (request.login_url.empty()) request.login_url = config.value("login_url", "");
  request.client_id = config.value("client_id", "");
  request.redirect_uri = config.value("redirect_uri", "");
  request.scopes = asking->options.scopes ? *asking->options.scopes
                                          : config.value("scopes", std::vector<std::string>{});
  request.extras = asking->options.extras;
}

/// A customer who connects again does so where he did before.
char *login_url_of_connection(const char *application_id, const char *customer_id,
                              int64 provider_id) {
  if (sql("SELECT config ->> 'login_url' FROM supaglue_internal.connections "
          "WHERE application_id = $1 AND customer_id = $2 AND provider_id = $3",
          {text_arg(application_id), text_arg(customer_id), int_arg(provider_id)}) == 0)
    return nullptr;
  return text_at(0, 1);
}

/// Those that nobody answered: a day longer than they are good for, so that the customer is told.
void forget_old_consents() {
  sql("DELETE FROM supaglue_internal.oauth_states WHERE digest IN ("
      "SELECT digest FROM supaglue_internal.oauth_states "
      "WHERE expires_at < pg_catalog.now() - '1 day'::interval LIMIT 100 FOR UPDATE SKIP LOCKED)");
}

/// A state's row is not locked while its code is exchanged; this keeps a second callback away. It
/// ends with the transaction, and lies where SQL's advisory functions cannot.
bool claim(const char *digest) {
  char number[17];
  strlcpy(number, digest, sizeof number);
  const uint64 key = strtoull(number, nullptr, 16);
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(key >> 32), static_cast<uint32>(key),
                       76);
  return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

}  // namespace

int64 require_consenting_provider(const char *application_id, const char *provider_name) {
  if (sql("SELECT id, config ->> 'auth_type', config ->> 'redirect_uri' "
          "FROM supaglue_internal.providers WHERE application_id = $1 AND name = $2 FOR KEY SHARE",
          {text_arg(application_id), text_arg(provider_name)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("provider \"%s\" does not exist in application \"%s\"", provider_name,
                           application_id),
                    errhint("Call supaglue.create_provider() first.")));
  const int64 id = int_at(0, 1);
  const char *auth_type = text_at(0, 2), *redirect_uri = text_at(0, 3);
  const bool can_ask = guard([&] {
    const auto connector = Connector::builtin(provider_name);
    return connector != nullptr && !connector->oauth.authorize_path.empty();
  });
  if (strcmp(auth_type, "oauth2") != 0 || !can_ask)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("customers do not connect to \"%s\" by a consent", provider_name),
                    errdetail("Its auth_type is \"%s\".", auth_type),
                    errhint("Give their credentials to supaglue.create_connection().")));
  if (redirect_uri == nullptr) no_redirect_uri(id, provider_name);
  return id;
}

void require_return_url(const char *return_url) {
  guard([&] { check_return_url(return_url); });
}

char *ask_for_consent(const char *application_id, const char *customer_id,
                      const char *provider_name, const char *return_url, const char *options) {
  auto *asking = make_in<Asking>(CurrentMemoryContext);
  guard([&] {
    asking->connector = Connector::builtin(provider_name);
    asking->options = read_consent_options(options);
  });
  require_return_url(return_url);
  const int64 provider_id = require_consenting_provider(application_id, provider_name);
  require_customer(application_id, customer_id);
  const char *login_url = login_url_of_connection(application_id, customer_id, provider_id);
  sql("SELECT config::text FROM supaglue_internal.providers WHERE id = $1", {int_arg(provider_id)});
  const char *config = text_at(0, 1);
  guard([&] {
    fill_request(asking, config, login_url);
    asking->secrets = new_consent_secrets();
  });
  forget_old_consents();
  const char *digest = digest_of(asking->secrets.state.c_str());
  const char *request = guarded_text([&] {
    Json kept = {{"redirect_uri", asking->request.redirect_uri},
                 {"replace_account", asking->options.replace_account}};
    // Only where somebody set one: else the connection goes where the configuration says.
    if (!asking->options.login_url.empty())
      kept["login_url"] = asking->options.login_url;
    else if (login_url != nullptr)
      kept["login_url"] = login_url;
    return kept.dump();
  });
  const bytea *verifier = seal_secret(purpose_of(digest), guarded_text([&] {
                                        return Json{{"verifier", asking->secrets.verifier}}.dump();
                                      }));
  sql("INSERT INTO supaglue_internal.oauth_states (digest, application_id, customer_id, "
      "provider_id, return_url, request, verifier, expires_at) "
      "VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, pg_catalog.clock_timestamp() + '10 "
      "minutes'::interval)",
      {text_arg(digest), text_arg(application_id), text_arg(customer_id), int_arg(provider_id),
       text_arg(return_url), text_arg(request),
       bytes_arg(VARDATA_ANY(verifier), VARSIZE_ANY_EXHDR(verifier))});
  return guarded_text(
      [&] { return consent_url(*asking->connector, asking->request, asking->secrets); });
}

PendingConsent *find_consent(const char *state) {
  auto *consent = static_cast<PendingConsent *>(palloc0(sizeof(PendingConsent)));
  consent->digest = digest_of(state);
  if (!claim(consent->digest)) return nullptr;
  if (sql_latest("SELECT application_id, customer_id, provider_id, return_url, "
                 "request ->> 'redirect_uri', request ->> 'login_url', "
                 "(request ->> 'replace_account')::boolean, verifier, "
                 "expires_at <= pg_catalog.clock_timestamp() "
                 "FROM supaglue_internal.oauth_states WHERE digest = $1",
                 {text_arg(consent->digest)}) == 0)
    return nullptr;
  consent->application_id = text_at(0, 1);
  consent->customer_id = text_at(0, 2);
  consent->provider_id = int_at(0, 3);
  consent->return_url = text_at(0, 4);
  consent->redirect_uri = text_at(0, 5);
  consent->login_url = text_at(0, 6);
  consent->replace_account = bool_at(0, 7);
  consent->expired = bool_at(0, 9);
  const char *sealed = unseal_secret(purpose_of(consent->digest), bytes_at(0, 8));
  consent->verifier =
      guarded_text([&] { return Json::parse(sealed)["verifier"].get<std::string>(); });
  return consent;
}

bool forget_consent(const PendingConsent *consent) {
  return sql("DELETE FROM supaglue_internal.oauth_states WHERE digest = $1",
             {text_arg(consent->digest)}) == 1;
}

}  // namespace supaglue
