// pg: reading a provider in a backend. See reading.hpp. It must not know who reads, nor what
// becomes of the records.
#include "call.hpp"
#include "probe.hpp"

#include "reading.hpp"

#include "pg.hpp"

#include "catalog.hpp"
#include "helping.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "token.hpp"

namespace supaglue {

/// What is read, as the pure parts have it. For guard bodies.
struct Subject {
  explicit Subject(const ReadingSpec *spec);
  std::unique_ptr<Source> source() const {
    if (call) return std::make_unique<CallSource>(*call, takes_refusals);
    return task.object.empty() ? make_probe(connector) : make_source(connector, task);
  }
  std::shared_ptr<const Connector> connector;
  Task task;  // of no object: a call, or a probe
  std::optional<Request> call;
  bool takes_refusals = false;
};

/// Its C++ members are for guard bodies. Lives in a memory context, on errors too.
struct Reading {
  explicit Reading(const ReadingSpec *spec)
      : connection_id(spec->connection_id),
        runs_ahead(spec->runs_ahead),
        no_repeats(spec->no_repeats),
        subject(spec) {}
  int64 connection_id;
  bool runs_ahead;
  bool no_repeats;
  bool gave_page = false;  // since it was opened or rewound
  int restarts = 0;        // of the source, when it gave that page
  Subject subject;
  std::unique_ptr<Fetch> fetch;
  Page page;
  Fetch::Counters earlier;  // of passes before the last rewind
};

namespace {

void append_texts(const List *list, std::vector<std::string> *texts) {
  const ListCell *cell;
  foreach (cell, list) texts->emplace_back(strVal(lfirst(cell)));
}

/// For guard bodies; the pool is made before, because that may raise.
void start_fetch(Reading *reading, Pool *pool) {
  const Subject &subject = reading->subject;
  reading->fetch = std::make_unique<Fetch>(*pool, subject.connector, subject.source());
  if (reading->runs_ahead) reading->fetch->run_ahead();
}

TokenState *load_as_owner(MemoryContext context, int64 connection_id) {
  const Api api = open_api();
  TokenState *state = load_tokens(context, connection_id);
  close_api(api);
  return state;
}

void refresh_as_owner(int64 connection_id, int64 generation) {
  const Api api = open_api();
  refresh_elsewhere(connection_id, generation);
  close_api(api);
}

/// Gives the fetch a token that it has not had before. No C++ object of this frame's is alive while
/// it waits.
void give_new_access(Reading *reading) {
  MemoryContext context =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue tokens", ALLOCSET_SMALL_SIZES);
  const int64 had = reading->fetch->access().generation;
  TokenState *state = load_as_owner(context, reading->connection_id);
  const auto is_new = [&] {
    return state->access.generation > had && !state->access.access_token.empty();
  };
  // Somebody else may have refreshed it already; else, and when that one has expired too, it is our
  // turn. Once more when the connection got other credentials while the old ones were refreshed.
  for (int turn = 0; turn < 2 && !is_new(); ++turn) {
    refresh_as_owner(reading->connection_id, Max(state->access.generation, had));
    state = load_as_owner(context, reading->connection_id);
  }
  if (!is_new())
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
             errmsg("connection " INT64_FORMAT " has no usable token", reading->connection_id),
             errdetail("The provider's answer to the refresh named none, or no address.")));
  guard([&] { reading->fetch->give_access(std::move(state->access)); });
  MemoryContextDelete(context);
}

/// For guard bodies: the page, and the place that it comes from is the one after the page before.
void take_page(Reading *reading) {
  reading->page = reading->fetch->take_page();
  const int restarts = reading->fetch->source().restarts();
  if (reading->no_repeats && reading->gave_page && restarts != reading->restarts)
    throw Error(ErrorClass::kTransient, "the provider lost its place in the result",
                "Records that were read already would come again.", "Run the query again.");
  reading->gave_page = true;
  reading->restarts = restarts;
}

}  // namespace

Subject::Subject(const ReadingSpec *spec) : connector(Connector::builtin(spec->provider_name)) {
  if (connector == nullptr)
    throw Error(ErrorClass::kBadDocument,
                std::string("there is no provider \"") + spec->provider_name + "\"");
  if (spec->call != nullptr) call = *spec->call;
  takes_refusals = spec->takes_refusals;
  if (spec->object == nullptr) return;
  task.object = connector->exact_object(spec->object_type, spec->object);
  if (task.object.empty())
    throw Error(ErrorClass::kBadDocument,
                std::string(spec->provider_name) + " has no " + spec->object_type +
                    " object named \"" + spec->object + "\"",
                {}, connector->offered_objects());
  if (spec->since != nullptr) task.since = spec->since;
  task.with_deleted = spec->with_deleted;
  if (spec->metadata != nullptr) task.metadata = spec->metadata;
  if (spec->known != nullptr) task.known = Json::parse(spec->known, nullptr, false);
  task.live = spec->live;
  append_texts(spec->fields, &task.fields);
  append_texts(spec->ids, &task.ids);
  if (spec->selection != nullptr) task.selection = *spec->selection;
  if (spec->config != nullptr) choose_fields(task, spec->config);
}

Pool *backend_pool() {
  static Pool *pool = nullptr;
  guard([&] {
    if (pool == nullptr)
      pool = new Pool(pool_limits());
    else
      pool->set_limits(pool_limits());
  });
  return pool;
}

Reading *open_reading(MemoryContext context, const ReadingSpec *spec) {
  if (spec->runs_ahead) allow_helper();
  auto *reading = make_in<Reading>(context, spec);
  reading->subject.task.now_ms = now_ms();
  Pool *pool = backend_pool();
  guard([&] { start_fetch(reading, pool); });
  return reading;
}

void pump_network() {
  Pool *pool = backend_pool();
  guard([&] { pool->pump(); });
}

Page *poll_page(Reading *reading, bool *ended) {
  *ended = false;
  for (;;) {
    const int64 now = now_ms();
    const double random = jitter();
    const Fetch::State state = guard([&] { return reading->fetch->advance(now, random); });
    switch (state) {
      case Fetch::State::kPage:
        guard([&] {
          take_page(reading);
          if (reading->runs_ahead) reading->fetch->advance(now, random);
        });
        return &reading->page;
      case Fetch::State::kDone:
        *ended = true;
        return nullptr;
      case Fetch::State::kFailed:
        guard([&] { throw Error(reading->fetch->error()); });
        break;
      case Fetch::State::kNeedsToken:
        give_new_access(reading);
        break;
      case Fetch::State::kBusy:
        return nullptr;
    }
  }
}

int64 reading_wakes_at(const Reading *reading) { return reading->fetch->wake_at_ms(); }

void wait_for_network(int64 wake_at_ms) {
  const int64 wait_ms = wake_at_ms == 0 ? 60'000 : Max(wake_at_ms - now_ms(), 0);
  const int happened = WaitLatchOrSocket(
      MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
      backend_pool()->fd(), static_cast<long>(wait_ms), PG_WAIT_EXTENSION);
  if (happened & WL_LATCH_SET) ResetLatch(MyLatch);
}

Page *next_page(Reading *reading) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    pump_network();
    bool ended;
    Page *page = poll_page(reading, &ended);
    if (page != nullptr || ended) return page;
    wait_for_network(reading_wakes_at(reading));
  }
}

bool reading_is_ordered(const Reading *reading) {
  return guard([&] { return reading->fetch->source().is_ordered(); });
}

bool reading_is_counted(const Reading *reading) {
  return guard([&] { return reading->fetch->source().is_counted(); });
}

void rewind_reading(Reading *reading) {
  reading->gave_page = false;
  Pool *pool = backend_pool();
  guard([&] {
    const Fetch::Counters &counters = reading->fetch->counters();
    reading->earlier.requests += counters.requests;
    reading->earlier.bytes_received += counters.bytes_received;
    Access access = reading->fetch->access();
    if (const Json metadata = reading->fetch->source().metadata(); !metadata.is_null())
      reading->subject.task.metadata = metadata.dump();
    start_fetch(reading, pool);
    reading->fetch->give_access(std::move(access));
  });
}

void reading_counts(const Reading *reading, int64 *requests, int64 *bytes, int64 *provider_time_ms,
                    int64 *total) {
  const Fetch &fetch = *reading->fetch;
  *requests = reading->earlier.requests + fetch.counters().requests;
  *bytes = reading->earlier.bytes_received + fetch.counters().bytes_received;
  *provider_time_ms = fetch.first_request_at_ms();
  *total = fetch.source().total();
}

char *reading_metadata(const Reading *reading) {
  char *text = guarded_text([&] {
    const Json metadata = reading->fetch->source().metadata();
    return metadata.is_null() ? std::string() : metadata.dump();
  });
  return text[0] == '\0' ? nullptr : text;
}

const Response *call_provider(int64 connection_id, const char *provider_name,
                              const Request *request, bool takes_refusals, char **url) {
  ReadingSpec spec = {};
  spec.connection_id = connection_id;
  spec.provider_name = provider_name;
  spec.call = request;
  spec.takes_refusals = takes_refusals;
  Reading *reading = open_reading(CurrentMemoryContext, &spec);
  while (next_page(reading) != nullptr) {
  }
  if (url != nullptr)
    *url = guarded_text([&] {
      const std::string &base = reading->fetch->access().base_url;
      std::string address = base.empty() ? reading->subject.connector->base_url : base;
      while (address.ends_with('/')) address.pop_back();
      return address + request->url;
    });
  return static_cast<const CallSource &>(reading->fetch->source()).answer();
}

char *probe_connection(int64 connection_id, const char *provider_name) {
  ReadingSpec spec = {};
  spec.connection_id = connection_id;
  spec.provider_name = provider_name;
  Reading *reading = open_reading(CurrentMemoryContext, &spec);
  while (next_page(reading) != nullptr) {
  }
  char *name = guarded_text([&] {
    const Json told = reading->fetch->source().metadata();
    return told.is_string() ? told.get<std::string>() : std::string();
  });
  return name[0] == '\0' ? nullptr : name;
}

char *describe_reading(const ReadingSpec *spec) {
  return guarded_text([&] { return Subject(spec).source()->describe_request(); });
}

}  // namespace supaglue
