// pg: the extension as an object of this database. See catalog.hpp.
#include "catalog.hpp"

#include "feed.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

bool extension_exists() { return OidIsValid(get_extension_oid("supaglue", true)); }

Oid extension_owner() {
  const Oid extension = get_extension_oid("supaglue", false);
  Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(extension));
  SysScanDesc scan = systable_beginscan(catalog, ExtensionOidIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "extension \"supaglue\" has just been dropped");
  const Oid owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return owner;
}

Identity become(Oid role, bool restricted) {
  Identity before;
  GetUserIdAndSecContext(&before.role, &before.security_context);
  SetUserIdAndSecContext(role, before.security_context | SECURITY_LOCAL_USERID_CHANGE |
                                   (restricted ? SECURITY_RESTRICTED_OPERATION : 0));
  return before;
}

void restore(Identity identity) {
  SetUserIdAndSecContext(identity.role, identity.security_context);
}

Api open_api() {
  const Oid caller = GetUserId();
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "cannot connect to SPI");
  const int level = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                    GUC_ACTION_SAVE, true, 0, false);
  return {become(extension_owner(), false), caller, level};
}

void close_api(Api api) {
  AtEOXact_GUC(false, api.settings_level);
  restore(api.identity);
  SPI_finish();
}

const char *default_application() {
  if (settings.application_id == nullptr || settings.application_id[0] == '\0')
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("supaglue.application_id must not be empty"),
                    errhint("Set it, or name the application.")));
  return pstrdup(settings.application_id);
}

static constexpr size_t kLongestName = 255;  // as in documents

const char *application_of(FunctionCallInfo fcinfo, int argument) {
  if (argument >= PG_NARGS() || PG_ARGISNULL(argument)) return default_application();
  const char *application = text_to_cstring(PG_GETARG_TEXT_PP(argument));
  if (application[0] == '\0' || strlen(application) > kLongestName)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("application_id must have between 1 and 255 bytes")));
  return application;
}

static void require_argument(FunctionCallInfo fcinfo, int argument, const char *name) {
  if (PG_ARGISNULL(argument))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

char *text_argument(FunctionCallInfo fcinfo, int argument, const char *name) {
  require_argument(fcinfo, argument, name);
  return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

int64 int_argument(FunctionCallInfo fcinfo, int argument, const char *name) {
  require_argument(fcinfo, argument, name);
  return PG_GETARG_INT64(argument);
}

static char *system_identifier() { return format(UINT64_FORMAT, GetSystemIdentifier()); }

void claim_installation() {
  sql("INSERT INTO supaglue_internal.installation (system_identifier, database) "
      "VALUES ($1, $2::oid) ON CONFLICT DO NOTHING",
      {text_arg(system_identifier()), int_arg(static_cast<int64>(MyDatabaseId))});
  if (installation_is_elsewhere())
    ereport(WARNING, (errmsg("this database is a copy of the one that the syncs belong to"),
                      errdetail("Nothing is synced here."),
                      errhint("Call supaglue.adopt_database() if the syncs shall run here.")));
}

Installation installation() {
  // Operators and types by their full names: a live scan has the user's search_path.
  const uint64 rows = sql(
      "SELECT system_identifier OPERATOR(pg_catalog.=) $1 "
      "AND database OPERATOR(pg_catalog.=) $2::pg_catalog.oid FROM supaglue_internal.installation",
      {text_arg(system_identifier()), int_arg(static_cast<int64>(MyDatabaseId))});
  if (rows == 0) return Installation::kNone;
  return bool_at(0, 1) ? Installation::kHere : Installation::kElsewhere;
}

bool installation_is_elsewhere() { return installation() == Installation::kElsewhere; }

void move_installation_here() {
  sql("INSERT INTO supaglue_internal.installation (system_identifier, database) "
      "VALUES ($1, $2::oid) ON CONFLICT (single) DO UPDATE SET "
      "system_identifier = excluded.system_identifier, database = excluded.database, "
      "adopted_at = excluded.adopted_at",
      {text_arg(system_identifier()), int_arg(static_cast<int64>(MyDatabaseId))});
}

void write_event(const char *kind, const char *application_id, const char *customer_id,
                 const char *provider_name, int64 sync_id, int64 run_id, const char *payload) {
  hold_feed();
  const TimestampTz now = GetCurrentTimestamp();
  sql("WITH event AS ("
      "  INSERT INTO supaglue_internal.events"
      "    (kind, application_id, customer_id, provider_name, sync_id, run_id, payload, at, slot)"
      "  VALUES ($1, $2, $3, $4, nullif($5, 0), nullif($6, 0),"
      "          coalesce($7, '{}')::jsonb, $8, $9)"
      "  RETURNING id, kind, sync_id, run_id)"
      "SELECT pg_catalog.pg_notify('supaglue', pg_catalog.json_build_object("
      "  'id', id, 'kind', kind, 'run', run_id, 'sync', sync_id)::text) FROM event",
      {text_arg(kind), text_arg(application_id), text_arg(customer_id), text_arg(provider_name),
       int_arg(sync_id), int_arg(run_id), text_arg(payload), time_arg(now),
       int_arg(slot_of(kEvents, now))});
}

}  // namespace supaglue
