// pure: reads the documents that configure providers, destinations, sync configs and
// connections: accepts every form that the reference lists, checks all of it, and gives one normal
// form. An unknown, missing or mistyped key is an Error that names the JSON path and says what is
// allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// A document in normal form, its secrets apart (null when there are none).
struct Document {
  std::optional<int64_t> id;
  std::string name;
  Json plain;   // without id and name; no secret in it; application_id when given
  Json secret;  // e.g. {"client_secret": "..."} or {"client_secret": {"file": "/path"}}
};

/// provider: plain = {category, auth_type, client_id?, redirect_uri?, scopes[], login_url?,
/// base_url?, provider_app_id?}; secret = {client_secret?}. `name` must be a connector's, category
/// and auth_type must be among its own.
Document read_provider(std::string_view document);
/// destination: plain = {type:"postgres", host?, port?, database?, schema, user?, ssl_mode?,
/// server_ca_cert?, client_cert?, server_name?}; secret = {password?, client_key?}. Without a host
/// it is this database and takes only `schema`; with one, port and ssl_mode are always there.
Document read_destination(std::string_view document);

/// What an application has that its sync configs may name.
struct Templates {
  Json schemas = Json::object();   // {name: config}
  Json entities = Json::object();  // {name: {"id": 1, "config": config}}
};
/// sync config: plain = {destination_id | destination_name, provider_id | provider_name,
/// default_config{period_ms, strategy:"full"|"incremental", full_sync_every_n_incrementals?,
/// full_refresh_every_ms, lookback_ms?, auto_start_on_connection, deletion_stop_share?,
/// deletion_stop_rows?}, objects:[{object_type, object, table?, schema?, columns?, fields?,
/// exclude_fields?, sync_strategy_override?, config{...merged}}]}; columns = "typed" |
/// [{field, type, as}]. `provider_name` is that of the provider that the document names by id, once
/// it has been looked up: objects get their exact names by the provider's connector. Without
/// `templates` schemas and entities are not looked up. `name` is empty when none is given.
Document read_sync_config(std::string_view document, std::string_view provider_name = {},
                          const Templates *templates = nullptr);
/// schema: plain = {fields: [{name, type, mapped_name?}], allow_additional_field_mappings}.
Document read_schema(std::string_view document);
/// entity: plain = {fields: [{name, type}], allow_additional_field_mappings}.
Document read_entity(std::string_view document);
/// connection: plain = {customer_id, provider_name | provider_id, instance_url?, login_url?,
/// auth_type}; secret = the credentials, by their type, all of which may lie in files:
/// {refresh_token, access_token?, expires_at?}, {api_key}, {access_key, access_key_secret},
/// {username, password}, {client_id, client_secret} or {client_id, username, private_key}. `name`
/// is empty.
Document read_connection(std::string_view document);

/// The document of an update: the stored one (plain and secret together) with an RFC 7396 merge
/// patch over it, to be read again. The patch is first put into normal form of keys where it uses
/// an alias. `kind` is "provider", "destination", "sync config", "schema", "entity" or
/// "connection". What was derived from a value that changes is forgotten: the access token with a
/// new refresh token, the default ssl_mode with a new host, the id with a new name.
///
/// names_secret(): whether a patch says something of the document's secrets.
std::string patched(std::string_view kind, const Document &stored, std::string_view patch);
bool names_secret(std::string_view kind, std::string_view patch);

/// What a customer means by the fields of schemas: [{object_type, object, mappings}], where
/// mappings = {field: the provider's field, or null}; null mappings: none of the object's are left.
Json read_field_mappings(std::string_view document, std::string_view provider_name);
/// What an entity is: {object_type?, object?, mappings?}; only the keys that were given, an object
/// that was given as null is null.
Json read_entity_mapping(std::string_view document, std::string_view provider_name);
/// Raises unless the template (the config of a schema or an entity) lets a customer map these
/// fields, or `current` mappings have what is unmapped. `where` names it in messages:
/// `schema "deal"`.
void check_mappings(const Json &mappings, const Json &current, const Json &config,
                    const std::string &where);

}  // namespace supaglue
