// pure: a probe: a source of no records, that asks by the one cheap request that the connector
// names whether the connection works, and what the account is called.
#pragma once

#include <memory>

#include "connector.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

/// Its metadata() is the account's name after the answer, or null when that does not tell it.
/// Throws kBadDocument when the connector names no such request.
std::unique_ptr<Source> make_probe(const std::shared_ptr<const Connector> &connector);

}  // namespace supaglue
