// fuzz: documents of configuration: each is refused by an Error, or has a normal form that is read
// as itself again, and that no patch breaks. Every reader reads every input.
#include <functional>
#include <map>

#include "config.hpp"
#include "fuzz.hpp"
#include "whole_config.hpp"

#include "pure.hpp"

using namespace supaglue;

static const Templates &templates() {
  static const Templates all = {
      Json::parse(
          R"({"deal": {"fields": [{"name": "description", "type": "text"}, {"name": "revenue", "type": "numeric"}],
        "allow_additional_field_mappings": true}})"),
      Json::parse(
          R"({"ticket": {"id": 7, "config": {"fields": [{"name": "subject", "type": "text"}], "allow_additional_field_mappings": false}}})")};
  return all;
}

using Read = std::function<Document(std::string_view)>;
static const std::map<std::string, std::vector<Read>> &readers() {
  static const std::map<std::string, std::vector<Read>> all = {
      {"provider", {read_provider}},
      {"destination", {read_destination}},
      {"sync config",
       {[](std::string_view text) { return read_sync_config(text, "salesforce", &templates()); },
        [](std::string_view text) { return read_sync_config(text, "hubspot", &templates()); },
        [](std::string_view text) { return read_sync_config(text); }}},
      {"schema", {read_schema}},
      {"entity", {read_entity}},
      {"connection", {read_connection}}};
  return all;
}

static std::string shown(const Document &document) {
  return document.name + ' ' + document.plain.dump() + ' ' + document.secret.dump();
}

static void read(const std::string &kind, const Read &reader, const std::string &text) {
  Document document;
  if (!fuzz::succeeds([&] { document = reader(text); })) return;
  fuzz::expect(fuzz::is_json(document.plain.dump(), {true, {}}), "a normal form is a document",
               shown(document));
  Document again;
  const bool good = fuzz::succeeds([&] { again = reader(patched(kind, document, "{}")); });
  fuzz::expect(good, "a normal form is accepted", shown(document));
  fuzz::expect(shown(again) == shown(document), "a normal form is read as itself",
               shown(document) + "\n" + shown(again));
  fuzz::succeeds([&] { names_secret(kind, text); });
  // What differs from itself in nothing needs no patch.
  fuzz::succeeds([&] {
    const Json patch = resource_patch(kind, document, again);
    fuzz::expect(patch.empty(), "what is so already needs no patch", patch.dump());
  });
}

static void patch(const std::string &text) {
  static const std::map<std::string, std::string> documents = {
      {"provider",
       R"({"name": "salesforce", "client_id": "a", "client_secret": "b", "login_url": "https://x.test"})"},
      {"destination",
       R"({"name": "d", "host": "h", "user": "u", "password": "p", "database": "b"})"},
      {"connection",
       R"({"customer_id": "c", "provider_name": "salesforce", "credentials": {"refresh_token": "r"}})"}};
  for (const auto &entry : documents) {
    const std::string &kind = entry.first, &stored = entry.second;
    const Read &reader = readers().at(kind).front();
    fuzz::succeeds([&] { read(kind, reader, patched(kind, reader(stored), text)); });
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string text(reinterpret_cast<const char *>(data), size);
  if (!fuzz::is_json(text, {true, {}})) {  // they come as jsonb
    return 0;
  }
  for (const auto &[kind, list] : readers())
    for (const Read &reader : list) read(kind, reader, text);
  patch(text);
  fuzz::succeeds([&] { read_field_mappings(text, "salesforce"); });
  fuzz::succeeds([&] { read_entity_mapping(text, "hubspot"); });
  fuzz::succeeds([&] {
    read_sections(text, {"providers", "destinations", "sync_configs", "schemas", "entities"});
  });
  return 0;
}
