// pure: the source that reads what a provider lists: what describes the object, then the list page
// after page, then what is archived. All that it knows of a provider is the connector's document;
// see listing.hpp. It makes no requests itself.
#pragma once

#include <memory>

#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

std::unique_ptr<Source> make_listing_source(std::shared_ptr<const Connector> connector, Task task,
                                            const Json &plan, const Json &cursor);

}  // namespace supaglue
