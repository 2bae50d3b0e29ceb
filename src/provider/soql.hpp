// pure: what SOQL can say of a selection (selection.hpp) for one object as it was described: a
// condition that no wanted record fails, and whether it is exactly the one that was meant. SOQL
// compares texts without regard to case and blanks, holds an empty text for null, and `!=` finds
// nulls: what it means here is decided in this file alone.
#pragma once

#include <string>
#include <vector>

#include "selection.hpp"

#include "pure.hpp"

namespace supaglue {

/// A field that can be read.
struct SoqlField {
  std::string name, type;
  int scale = -1;  // digits after the point; -1: not known
  bool filterable = true;
  bool sortable = true;
};

/// What is known of the object. Without `described` every field is taken to be what it should be,
/// to show a request before anything is known.
struct SoqlObject {
  std::string id_field;
  std::string stamp_field;    // empty: it has none
  std::string deleted_field;  // empty: it has none
  bool described = true;
  std::vector<SoqlField> fields;
};

struct SoqlCondition {
  enum class Kind { kAlways, kNever, kSome } kind = Kind::kAlways;
  bool exact = true;    // false: it admits more than was meant
  std::string text;     // of kSome
  bool joined = false;  // needs parentheses among others
};
SoqlCondition soql_condition(const SoqlObject &object, const Filter &filter);

/// "Amount DESC NULLS LAST"; empty when it cannot be had exactly, or there is none.
std::string soql_order(const SoqlObject &object, const std::vector<SelectedOrder> &order);

/// Whether a text is an id of 18 characters whose last three are right: the provider compares the
/// others only.
bool is_salesforce_id(std::string_view text);

}  // namespace supaglue
