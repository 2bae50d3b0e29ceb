// pg: create_schema(), update_schema(), delete_schema().
#include "field_template.hpp"
#include "pg.hpp"

using namespace supaglue;

static constexpr TemplateKind kSchemas = {&kSchema, "schema_id", read_schema};

SUPAGLUE_FUNCTION(supaglue_create_schema) { PG_RETURN_INT64(create_template(kSchemas, fcinfo)); }

SUPAGLUE_FUNCTION(supaglue_update_schema) {
  update_template(kSchemas, fcinfo);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_schema) {
  delete_template(kSchemas, fcinfo);
  PG_RETURN_VOID();
}
