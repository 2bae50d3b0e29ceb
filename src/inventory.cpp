// pg: what a provider is asked of its objects. See inventory.hpp.
#include "inventory.hpp"

#include "pg.hpp"
#include "reading.hpp"

namespace supaglue {

namespace {

const std::string *ask(int64 connection_id, const Connector *connector, const Listing *listing,
                       const char *object, const char *api_name) {
  auto *request = make_in<Request>(CurrentMemoryContext);
  guard([&] { *request = listing_request(*listing, object, api_name); });
  if (request->url.empty()) return make_in<std::string>(CurrentMemoryContext);
  return &call_provider(connection_id, connector->name.c_str(), request, false)->body;
}

// As the paths of the provider's API have it.
char *api_name_of(const Connector *connector, const char *object) {
  return guarded_text([&]() -> std::string {
    const auto listed = connector->listings.objects.find(object);
    return listed == connector->listings.objects.end() ? object : listed->second.api_name;
  });
}

}  // namespace

const Connector *listing_connector(const char *provider_name) {
  return guard([&] {
    const Connector *connector = Connector::builtin(provider_name).get();
    if (connector == nullptr || connector->directory.objects.name.empty() ||
        connector->directory.properties.name.empty())
      throw Error(ErrorClass::kBadDocument,
                  std::string("the objects of \"") + provider_name + "\" cannot be listed",
                  "Its connector does not say where they are told.");
    return connector;
  });
}

const std::string *ask_for_objects(int64 connection_id, const Connector *connector) {
  return ask(connection_id, connector, &connector->directory.objects, "", "");
}

const std::string *ask_for_properties(int64 connection_id, const Connector *connector,
                                      const char *object) {
  return ask(connection_id, connector, &connector->directory.properties, object,
             api_name_of(connector, object));
}

}  // namespace supaglue
