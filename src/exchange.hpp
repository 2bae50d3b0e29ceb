// pure: an exchange with a provider's own API as documents: the request that a user wrote, checked
// so that it says nothing but what it seems to say, and the answer. It sends nothing.
#pragma once

#include <string>
#include <string_view>

#include "connector.hpp"
#include "http.hpp"

#include "pure.hpp"

namespace supaglue {

/// Reads {method, path, query?, headers?, body?}. Throws kBadDocument, for addresses of other hosts
/// and for headers that carry credentials or frame the message, too.
Request read_exchange(const Connector &connector, std::string_view document);
/// Whether a request asks only.
bool is_reading(const Request &request);

/// How the body of an answer stands in its document.
enum class BodyForm { kNone, kJson, kText, kBytes };
/// The answer {status, url, headers, body} as JSON; the body's form is what the caller found it to
/// be. Bytes stand as base64 under "body_base64".
std::string write_exchange(const Response &response, const std::string &url, BodyForm form);
/// Whether an answer says of itself that its body is JSON.
bool claims_json(const Response &response);

}  // namespace supaglue
