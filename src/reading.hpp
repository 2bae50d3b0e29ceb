// pg: reading a provider in a backend: drives a Fetch (fetch.hpp) with every wait on the latch, and
// gets tokens through the keeper. The foreign scan, materialize() and test_connection() use it; the
// fetcher has its own loop.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What a reading reads; plain memory, copied at open.
struct ReadingSpec {
  int64 connection_id;
  const char *provider_name;
  const char *object_type;
  const char *object;  // null: none; the connection is only probed, or the call is made
  const char *since;   // ISO stamp or null
  bool with_deleted;
  const char *metadata;        // JSON or null
  const char *known;           // the same, not to be relied on
  bool live;                   // somebody waits for the rows (Task::live)
  const char *config;          // the object's JSON (exclude_fields), or null
  List *fields;                // of String; NIL: every readable field
  List *ids;                   // of String; NIL: all
  const Request *call;         // instead of reading an object; of the opener's context
  bool takes_refusals;         // the call: whatever the provider answers, and it is not sent again
  const Selection *selection;  // null: everything
  bool runs_ahead;  // all of it is wanted: the next page is asked for, and taken apart, while the
                    // reader has this one
  bool no_repeats;  // raises 08006 rather than giving a record again after the provider lost its
                    // place
};

struct Reading;

/// Opens it in `context`, which owns it: transfers are cancelled when the context goes, on errors
/// too.
Reading *open_reading(MemoryContext context, const ReadingSpec *spec);
/// The next page, valid until the next call; null at the end. Raises the provider's error.
/// Interruptible at once.
Page *next_page(Reading *reading);
/// Moves all transfers of the backend on. Whoever polls several readings and then waits does this
/// once before: what came in between the polls would be waited for in vain.
void pump_network();
/// The next page without waiting, as far as the network was moved on: null and `ended` false means
/// that there is nothing yet.
Page *poll_page(Reading *reading, bool *ended);
/// When a reading is to be polled although the network is silent; 0: never.
int64 reading_wakes_at(const Reading *reading);
/// Waits for the network, the latch, or a time (0: none).
void wait_for_network(int64 wake_at_ms);
/// What the source made of the selection; see source.hpp.
bool reading_is_ordered(const Reading *reading);
bool reading_is_counted(const Reading *reading);
/// Starts over from the first page.
void rewind_reading(Reading *reading);
/// For the run's record; valid any time.
void reading_counts(const Reading *reading, int64 *requests, int64 *bytes, int64 *provider_time_ms,
                    int64 *total);
/// JSON of what the source learned, in the current context; null when nothing.
char *reading_metadata(const Reading *reading);
/// Sends one request with the connection's credentials. The answer lives in the current context,
/// and so does the address that it was sent to. Raises the provider's refusal unless it
/// `takes_refusals`; then nothing is sent twice, but for a token that was refused.
const Response *call_provider(int64 connection_id, const char *provider_name,
                              const Request *request, bool takes_refusals, char **url = nullptr);
/// Asks the provider whether a connection works, and gives the account's name; null when it is not
/// told. Raises the provider's error.
char *probe_connection(int64 connection_id, const char *provider_name);
/// The request in the provider's words without any network: for EXPLAIN.
char *describe_reading(const ReadingSpec *spec);

/// One of these per backend process: keep-alive across readings.
Pool *backend_pool();

}  // namespace supaglue
