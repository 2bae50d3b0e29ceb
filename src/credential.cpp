// pure: a connection's credential. See credential.hpp.
#include "credential.hpp"

#include <initializer_list>

#include "connector.hpp"
#include "error.hpp"
#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

/// The first of these documents that has a text under `key`; "" when none has.
std::string first_text(std::initializer_list<const Json *> documents, const char *key) {
  for (const Json *document : documents)
    if (const auto found = document->find(key); found != document->end() && found->is_string())
      return found->get<std::string>();
  return {};
}

Json document_of(const char *text) {
  Json document = text == nullptr ? Json::object() : Json::parse(text, nullptr, false);
  return document.is_object() ? document : Json::object();
}

/// What stands in a token's place with credentials that are sent as they are; "" with the others.
std::string standing_credential(const std::string &auth_type, const Json &secret) {
  const auto pair = [&](const char *name, const char *password) {
    return first_text({&secret}, name) + ':' + first_text({&secret}, password);
  };
  if (auth_type == "api_key") return first_text({&secret}, "api_key");
  if (auth_type == "access_key_secret") return pair("access_key", "access_key_secret");
  if (auth_type == "basic") return pair("username", "password");
  return {};
}

}  // namespace

void resolve_credential(const CredentialTexts &texts, Access *access, Grant *grant) {
  const auto connector = Connector::builtin(texts.provider_name);
  if (connector == nullptr)
    throw Error(ErrorClass::kInternal,
                std::string("there is no connector \"") + texts.provider_name + "\"");
  const Json connection = document_of(texts.connection_config);
  const Json provider = document_of(texts.provider_config);
  const Json provider_secret = document_of(texts.provider_secret);
  const Json secret = document_of(texts.secret);

  grant->auth_type = first_text({&connection, &provider}, "auth_type");
  grant->login_url = first_text({&connection, &provider}, "login_url");
  if (grant->login_url.empty()) grant->login_url = connector->login_url;
  // Where the connection brings an app of its own, that one.
  const bool own_app = secret.contains("client_id");
  grant->client_id = first_text({own_app ? &secret : &provider}, "client_id");
  grant->client_secret = first_text({own_app ? &secret : &provider_secret}, "client_secret");
  grant->refresh_token = first_text({&secret}, "refresh_token");
  grant->username = first_text({&secret}, "username");
  grant->private_key = first_text({&secret}, "private_key");

  // An address that somebody set wins over the one that came with the token, and that over the
  // connector's own.
  access->base_url = first_text({&connection}, "instance_url");
  if (access->base_url.empty()) access->base_url = first_text({&provider}, "base_url");
  if (access->base_url.empty() && texts.base_url != nullptr) access->base_url = texts.base_url;
  if (access->base_url.empty()) access->base_url = connector->base_url;
  access->generation = texts.generation;
  access->good_until_ms = texts.good_until_ms;
  access->auth_type = grant->auth_type;
  access->access_token = standing_credential(grant->auth_type, secret);
  if (!access->access_token.empty()) return;
  // A token is of no use without an address to send it to: then the refresh brings both.
  if (!texts.expired && !access->base_url.empty())
    access->access_token = first_text({&secret}, "access_token");
}

std::string refreshed_secret(const char *stored, const char *resolved, const Tokens &tokens) {
  Json document = document_of(stored);
  // A refresh token that lies in a file stays there while it is the same.
  const Json used = document_of(resolved);
  if (first_text({&used}, "refresh_token") != tokens.refresh_token)
    document["refresh_token"] = tokens.refresh_token;
  document["access_token"] = tokens.access_token;
  document.erase("expires_at");
  return document.dump();
}

}  // namespace supaglue
