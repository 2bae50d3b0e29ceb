// pg: what schemas and entities have in common: named lists of fields that sync configs take their
// columns from. It must not know what customers map.
#pragma once

#include "pg.hpp"
#include "resource.hpp"

namespace supaglue {

struct TemplateKind {
  const Kind *kind;
  const char *reference;  // the column of supaglue_internal.objects
  Document (*read)(std::string_view document);
};

int64 create_template(const TemplateKind &kind, FunctionCallInfo fcinfo);
void update_template(const TemplateKind &kind, FunctionCallInfo fcinfo);
void delete_template(const TemplateKind &kind, FunctionCallInfo fcinfo);

}  // namespace supaglue
