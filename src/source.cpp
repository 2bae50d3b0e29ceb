// pure: finds the source that a connector names; see source.hpp.
#include "source.hpp"

#include <utility>

#include "error.hpp"
#include "provider/listing_source.hpp"
#include "provider/salesforce.hpp"

#include "pure.hpp"

namespace supaglue {

std::unique_ptr<Source> make_source(std::shared_ptr<const Connector> connector, const Task &task,
                                    const Json &plan, const Json &cursor) {
  if (connector->strategy == "salesforce") {
    return make_salesforce_source(std::move(connector), task, plan, cursor);
  }
  if (connector->strategy == "listing") {
    return make_listing_source(std::move(connector), task, plan, cursor);
  }
  throw Error(ErrorClass::kBadDocument,
              "connector \"" + connector->name + "\" names an unknown strategy",
              "It is \"" + connector->strategy + "\".");
}

}  // namespace supaglue
