// pure: the source that reads Salesforce: describe, then one SOQL query, by the REST query API for
// little and by a job of the Bulk API 2.0 for much. It knows SOQL and decides which way a query
// goes; it makes no requests itself.
#pragma once

#include <memory>

#include "page_reader.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

std::unique_ptr<Source> make_salesforce_source(std::shared_ptr<const Connector> connector,
                                               Task task, const Json &plan, const Json &cursor);

/// As make_page_reader().
std::shared_ptr<const PageReader> make_salesforce_page_reader(const Connector &connector,
                                                              const Json &plan);

}  // namespace supaglue
