// pure: what went wrong, as a value that crosses the boundary whole: SQLSTATE, class, message,
// detail and hint. Thrown by pure code, raised as an SQL error by the door.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "pure.hpp"

namespace supaglue {

/// The sorts of failure a user can act on, and the SQLSTATE of each (the reference lists them).
enum class ErrorClass {
  kBadDocument,     // 22023  a document that a user wrote is wrong
  kPermission,      // 42501  the provider forbids
  kAuthentication,  // 28000  the token is lost or refused
  kObjectGone,      // HV00R  the provider no longer has the object
  kFieldGone,       // HV005  the provider no longer has a field
  kQuota,           // 53400  the provider's limit is reached
  kTransient,       // 08006  the provider is down, slow or was cut off
  kProvider,        // HV000  any other answer of the provider
  kData,            // 22000  records that cannot be used, beyond the limit
  kDestination,     // its own, or 08006
  kInternal,        // XX000  anything of ours
};

/// The SQLSTATE of a class, five characters.
const char *sqlstate_of(ErrorClass error_class) noexcept;
/// The class's name in `last_error_class` and `sync_runs.error_class`; "" for a bad document.
const char *name_of(ErrorClass error_class) noexcept;

struct Error : std::exception {
  Error(ErrorClass error_class_in, std::string message_in, std::string detail_in = {},
        std::string hint_in = {})
      : error_class(error_class_in),
        sqlstate(sqlstate_of(error_class_in)),
        message(std::move(message_in)),
        detail(std::move(detail_in)),
        hint(std::move(hint_in)) {}
  const char *what() const noexcept override { return message.c_str(); }

  ErrorClass error_class;
  std::string sqlstate;
  std::string message;  // lower case, no period
  std::string detail;   // a sentence; the provider's own words where it spoke
  std::string hint;     // what to do
};

}  // namespace supaglue
