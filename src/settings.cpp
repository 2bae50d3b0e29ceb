// pg: the settings.
#include "settings.hpp"

#include <climits>

#include "pg.hpp"

namespace supaglue {

Settings settings;

namespace {

void flag(const char *name, const char *about, bool *variable, bool initial, GucContext context) {
  DefineCustomBoolVariable(name, about, nullptr, variable, initial, context, 0, nullptr, nullptr,
                           nullptr);
}
void number(const char *name, const char *about, int *variable, int initial, int least, int most,
            GucContext context, int unit = 0) {
  DefineCustomIntVariable(name, about, nullptr, variable, initial, least, most, context, unit,
                          nullptr, nullptr, nullptr);
}
void text(const char *name, const char *about, char **variable, const char *initial,
          GucContext context, int flags = 0) {
  DefineCustomStringVariable(name, about, nullptr, variable, initial, context, flags, nullptr,
                             nullptr, nullptr);
}

constexpr int kDayMinutes = 24 * 60;

}  // namespace

void define_settings() {
  Settings &s = settings;
  flag("supaglue.enabled", "Lets the workers sync.", &s.enabled, true, PGC_SIGHUP);
  text("supaglue.database", "Databases whose syncs the preloaded launcher serves.", &s.database,
       "postgres", PGC_SIGHUP, GUC_LIST_INPUT);
  number("supaglue.workers", "Fetchers per database.", &s.workers, 1, 1, 16, PGC_SIGHUP);
  number("supaglue.merge_workers", "Mergers per database.", &s.merge_workers, 1, 1, 16, PGC_SIGHUP);
  number("supaglue.fetch_concurrency", "Runs that a fetcher has in progress at once.",
         &s.fetch_concurrency, 64, 1, 10000, PGC_SIGHUP);
  number("supaglue.memory_limit", "Memory for pages in a fetcher; transfers pause beyond it.",
         &s.memory_limit_mb, 256, 16, 1 << 20, PGC_SIGHUP, GUC_UNIT_MB);
  text("supaglue.encryption_key_file", "File with the key that encrypts secrets.",
       &s.encryption_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY);
  text("supaglue.ca_bundle", "File with the certificates to trust; empty means the system's.",
       &s.ca_bundle, "", PGC_SIGHUP);
  flag("supaglue.allow_private_networks", "Allows providers at private and loopback addresses.",
       &s.allow_private_networks, false, PGC_SIGHUP);
  flag("supaglue.allow_insecure_http", "Allows providers over plain http.", &s.allow_insecure_http,
       false, PGC_SIGHUP);
  number("supaglue.min_period_ms", "The shortest period of a sync.", &s.min_period_ms, 60000, 100,
         INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  number("supaglue.run_retention", "How long finished runs are kept at least.",
         &s.run_retention_min, 30 * kDayMinutes, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN);
  number("supaglue.event_retention", "How long events are kept at least.", &s.event_retention_min,
         7 * kDayMinutes, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN);
  number("supaglue.reject_retention", "How long rejected records are kept.",
         &s.reject_retention_min, 14 * kDayMinutes, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN);
  number("supaglue.connect_timeout", "How long connecting to a provider may take.",
         &s.connect_timeout_ms, 10000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
  number("supaglue.request_timeout", "How long a request to a provider may take.",
         &s.request_timeout_ms, 120000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS);
  number("supaglue.max_response_bytes", "The largest answer of a provider.", &s.max_response_bytes,
         256 << 20, 1024, INT_MAX, PGC_SUSET, GUC_UNIT_BYTE);
  number("supaglue.live_max_connections", "Connections that a live scan covers without naming.",
         &s.live_max_connections, 10, 1, INT_MAX, PGC_SUSET);
  number("supaglue.live_max_requests", "Requests that a live scan may make.", &s.live_max_requests,
         1000, 1, INT_MAX, PGC_SUSET);
  number("supaglue.lock_timeout", "How long a merge waits for a lock.", &s.lock_timeout_ms, 30000,
         1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  number("supaglue.ddl_lock_timeout", "How long changing a destination table waits for a lock.",
         &s.ddl_lock_timeout_ms, 2000, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  number("supaglue.merge_timeout",
         "How long one statement of a worker's merge may take; 0: for ever.", &s.merge_timeout_ms,
         600000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  text("supaglue.application_id", "The application that functions and live tables work for.",
       &s.application_id, "default", PGC_USERSET);
  text("supaglue.customer_id", "The customer that live tables read; empty means all.",
       &s.customer_id, "", PGC_USERSET);
  reserve_settings("supaglue");
}

PoolLimits pool_limits() {
  PoolLimits limits;
  limits.connect_timeout_ms = settings.connect_timeout_ms;
  limits.request_timeout_ms = settings.request_timeout_ms;
  limits.max_response_bytes = settings.max_response_bytes;
  limits.allow_private_networks = settings.allow_private_networks;
  limits.allow_insecure_http = settings.allow_insecure_http;
  limits.ca_bundle = settings.ca_bundle == nullptr ? "" : settings.ca_bundle;
  return limits;
}

}  // namespace supaglue
