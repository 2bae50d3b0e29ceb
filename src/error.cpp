// pure: the table of error classes.
#include "error.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {
struct Row {
  const char *sqlstate;
  const char *name;
};
constexpr Row kRows[] = {
    {"22023", ""},     {"42501", "permission"},  {"28000", "authentication"}, {"HV00R", "gone"},
    {"HV005", "gone"}, {"53400", "quota"},       {"08006", "transient"},      {"HV000", "provider"},
    {"22000", "data"}, {"08006", "destination"}, {"XX000", "internal"},
};
}  // namespace

const char *sqlstate_of(ErrorClass error_class) noexcept {
  return kRows[static_cast<int>(error_class)].sqlstate;
}

const char *name_of(ErrorClass error_class) noexcept {
  return kRows[static_cast<int>(error_class)].name;
}

}  // namespace supaglue
