// pg: the settings, one definition each; nothing else reads them by name.
#pragma once

#include "pg.hpp"

namespace supaglue {

struct Settings {
  bool enabled;
  char *database;  // a comma-separated list
  int workers;
  int merge_workers;
  int fetch_concurrency;
  int memory_limit_mb;
  char *encryption_key_file;
  char *ca_bundle;
  bool allow_private_networks;
  bool allow_insecure_http;
  int min_period_ms;
  int run_retention_min;     // minutes
  int event_retention_min;   // minutes
  int reject_retention_min;  // minutes
  int connect_timeout_ms;
  int request_timeout_ms;
  int max_response_bytes;
  int live_max_connections;
  int live_max_requests;
  int lock_timeout_ms;
  int ddl_lock_timeout_ms;
  int merge_timeout_ms;  // 0: none
  char *application_id;
  char *customer_id;
};
extern Settings settings;

void define_settings();
/// The pool's share of them; to be called inside guard().
PoolLimits pool_limits();

}  // namespace supaglue
