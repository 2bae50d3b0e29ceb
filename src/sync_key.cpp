// pg: sync_id(): the natural key of a sync.
#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"

using namespace supaglue;

namespace {

// The provider's spelling of a custom or standard object; what was written when it has none.
char *exact_object(const char *provider_name, const char *object_type, const char *object) {
  return guarded_text([&]() -> std::string {
    const auto connector = Connector::builtin(provider_name);
    const std::string exact = connector ? connector->exact_object(object_type, object) : "";
    return exact.empty() ? object : exact;
  });
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_sync_id) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *object = text_argument(fcinfo, 2, "object");
  const char *type = PG_ARGISNULL(3) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(3));
  const char *application = application_of(fcinfo, 4);
  const Api api = open_api();
  const uint64 count =
      sql("SELECT s.id FROM supaglue_internal.syncs s "
          "JOIN supaglue_internal.connections c ON c.id = s.connection_id "
          "JOIN supaglue_internal.objects o ON o.id = s.object_id "
          "JOIN supaglue_internal.providers p ON p.id = o.provider_id "
          "WHERE c.application_id = $1 AND c.customer_id = $2 AND p.name = $3 "
          "AND ($4 IS NULL OR o.object_type = $4) "
          "AND o.object = CASE o.object_type WHEN 'custom' THEN $5 WHEN 'standard' THEN $6 "
          "  ELSE $7 END",
          {text_arg(application), text_arg(customer), text_arg(provider), text_arg(type),
           text_arg(exact_object(provider, "custom", object)),
           text_arg(exact_object(provider, "standard", object)), text_arg(object)});
  if (count > 1)
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_FUNCTION),
                    errmsg("customer \"%s\" has several syncs of \"%s\" of provider \"%s\"",
                           customer, object, provider),
                    errhint("Name the object_type, too.")));
  if (count == 0)
    ereport(
        ERROR,
        (errcode(ERRCODE_UNDEFINED_OBJECT),
         errmsg("customer \"%s\" has no sync of \"%s\" of provider \"%s\" in application \"%s\"",
                customer, object, provider, application),
         errhint("The view supaglue.syncs lists what there is.")));
  const int64 id = int_at(0, 1);
  close_api(api);
  PG_RETURN_INT64(id);
}
