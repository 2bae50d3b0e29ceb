// pg: create_entity(), update_entity(), delete_entity().
#include "field_template.hpp"
#include "pg.hpp"

using namespace supaglue;

static constexpr TemplateKind kEntities = {&kEntity, "entity_id", read_entity};

SUPAGLUE_FUNCTION(supaglue_create_entity) { PG_RETURN_INT64(create_template(kEntities, fcinfo)); }

SUPAGLUE_FUNCTION(supaglue_update_entity) {
  update_template(kEntities, fcinfo);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_entity) {
  delete_template(kEntities, fcinfo);
  PG_RETURN_VOID();
}
