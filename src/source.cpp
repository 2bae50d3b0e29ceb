// pure: finds the source that a connector names; see source.hpp.
#include "source.hpp"

#include <simdjson.h>

#include <utility>

#include "error.hpp"
#include "provider/listing_source.hpp"
#include "provider/salesforce.hpp"

#include "pure.hpp"

namespace supaglue {

void choose_fields(Task &task, const std::string &config) {
  namespace dom = simdjson::dom;
  dom::parser parser;
  dom::element document;
  if (parser.parse(config).get(document)) return;
  const auto append = [&](const char *key, std::vector<std::string> &names) {
    dom::array list;
    if (document[key].get(list)) return;
    for (const dom::element item : list) {
      std::string_view name;
      if (!item.get(name)) names.emplace_back(name);
    }
  };
  append("exclude_fields", task.exclude_fields);
  if (task.fields.empty()) append("fields", task.fields);
}

std::unique_ptr<Source> make_source(std::shared_ptr<const Connector> connector, Task task,
                                    const Json &plan, const Json &cursor) {
  if (connector->strategy == "salesforce") {
    return make_salesforce_source(std::move(connector), std::move(task), plan, cursor);
  }
  if (connector->strategy == "listing") {
    return make_listing_source(std::move(connector), std::move(task), plan, cursor);
  }
  throw Error(ErrorClass::kBadDocument,
              "connector \"" + connector->name + "\" names an unknown strategy",
              "It is \"" + connector->strategy + "\".");
}

}  // namespace supaglue
