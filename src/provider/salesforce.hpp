// pure: the source that reads Salesforce by its REST query API: describe, then one SOQL query,
// then its further pages. It knows SOQL and the shapes of the answers; it makes no requests itself.
#pragma once

#include <memory>

#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

std::unique_ptr<Source> make_salesforce_source(std::shared_ptr<const Connector> connector,
                                               const Task &task, const Json &plan,
                                               const Json &cursor);

}  // namespace supaglue
