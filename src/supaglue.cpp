// pg: the library: what is set up when a process loads it. It must not do anything itself.
#include "batched_join.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "worker.hpp"

SUPAGLUE_MODULE() {
  supaglue::define_settings();
  supaglue::init_workers();
  supaglue::init_batched_joins();
}
