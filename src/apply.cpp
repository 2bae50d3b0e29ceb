// pg: apply(), export_config(): the whole configuration of an application as one document. What is
// made and changed is so by the functions for each kind, in the caller's name and with his rights.
#include "whole_config.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "placement.hpp"
#include "resource.hpp"
#include "sql.hpp"
#include "sync_configs.hpp"

using namespace supaglue;

namespace {

/// A kind of resource in the document. They stand in the order in which they are made.
struct Section {
  const char *key;   // in the document
  const char *kind;  // in the report, and in the names of the functions
  const Kind *resource;
  Document (*read)(std::string_view document);  // null: read_wanted_sync_config()
  const char *stored;  // SQL: (id, name, config, secret) of all of the application's, $1
};

constexpr const char *kStoredSyncConfigs =
    "SELECT c.id, c.name, c.config || pg_catalog.jsonb_build_object("
    "  'destination_name', d.name, 'provider_name', p.name) AS config, NULL::bytea AS secret "
    "FROM supaglue_internal.sync_configs c "
    "JOIN supaglue_internal.providers p ON p.id = c.provider_id "
    "JOIN supaglue_internal.destinations d ON d.id = c.destination_id "
    "WHERE c.application_id = $1";

constexpr Section kSections[] = {
    {"providers", "provider", &kProvider, read_provider,
     "SELECT id, name, config, secret FROM supaglue_internal.providers WHERE application_id = $1"},
    {"destinations", "destination", &kDestination, read_destination,
     "SELECT id, name, config, secret FROM supaglue_internal.destinations "
     "WHERE application_id = $1"},
    {"schemas", "schema", &kSchema, read_schema,
     "SELECT id, name, config, NULL::bytea AS secret FROM supaglue_internal.schemas "
     "WHERE application_id = $1"},
    {"entities", "entity", &kEntity, read_entity,
     "SELECT id, name, config, NULL::bytea AS secret FROM supaglue_internal.entities "
     "WHERE application_id = $1"},
    {"sync_configs", "sync_config", &kSyncConfig, nullptr, kStoredSyncConfigs},
};
constexpr int kSectionCount = lengthof(kSections);
constexpr int kSyncConfigs = kSectionCount - 1;

/// What is under way; it outlives the subtransaction of a rehearsal.
struct Application {
  std::vector<ConfigSection> sections;
  Json names[kSectionCount];  // {name: true} of what the document has
  Json report = Json::array();
};

struct Work {
  Api api;
  const char *application_id;
  bool prune;
  Application *parts;  // for guard bodies
};

void report(const Work *work, const char *action, const char *kind, const char *name,
            const char *detail) {
  guard([&] {
    work->parts->report.push_back({{"action", action},
                                   {"kind", kind},
                                   {"name", name},
                                   {"detail", detail == nullptr ? Json() : Json(detail)}});
  });
}

/// As the caller: what he may not do, apply() does not do for him.
void call(const Work *work, const char *statement, std::initializer_list<Arg> args) {
  const Identity owner = become(work->api.caller, false);
  sql(statement, args);
  restore(owner);
}

Resource *read_item(const Work *work, const Section *section, const char *document) {
  Resource *wanted = section->read == nullptr
                         ? read_wanted_sync_config(document)
                         : read_resource([&] { return section->read(document); });
  if (strcmp(wanted->application_id, work->application_id) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("%s \"%s\" is of application \"%s\"", section->resource->noun, wanted->name,
                    wanted->application_id),
             errdetail("This is the configuration of application \"%s\".", work->application_id),
             errhint("Set supaglue.application_id, and leave \"application_id\" out.")));
  const bool again = guard([&] {
    Json &names = work->parts->names[section - kSections];
    const bool has = names.contains(wanted->name);
    names[wanted->name] = true;
    return has;
  });
  if (again)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("\"%s\" names %s \"%s\" again", section->key, section->resource->noun,
                           wanted->name)));
  return wanted;
}

/// Null: there is none of the name.
Resource *load_item(const Work *work, const Section *section, const char *name) {
  if (sql(format("SELECT id, name, config::text, secret FROM (%s) AS stored WHERE name = $2",
                 section->stored),
          {text_arg(work->application_id), text_arg(name)}) == 0)
    return nullptr;
  const int64 id = int_at(0, 1);
  const char *plain = text_at(0, 3);
  return stored_resource(*section->resource, id, work->application_id, name, plain, bytes_at(0, 4));
}

void update_item(const Work *work, const Section *section, int64 id, const char *patch) {
  if (section->read != nullptr)
    return call(work, format("SELECT supaglue.update_%s($1, $2::jsonb)", section->kind),
                {int_arg(id), text_arg(patch)});
  ErrorData *error = attempt([&] {
    call(work, "SELECT supaglue.update_sync_config($1, $2::jsonb, $3)",
         {int_arg(id), text_arg(patch), bool_arg(work->prune)});
  });
  if (error == nullptr) return;
  if (error->sqlerrcode == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST && !work->prune)
    error->hint = pstrdup("Pass prune => true to end them.");
  ReThrowError(error);
}

void apply_item(const Work *work, const Section *section, const char *document) {
  const Resource *wanted = read_item(work, section, document);
  const Resource *stored = load_item(work, section, wanted->name);
  if (stored == nullptr) {
    call(work, format("SELECT supaglue.create_%s($1::jsonb)", section->kind), {text_arg(document)});
    return report(work, "create", section->kind, wanted->name, nullptr);
  }
  if (wanted->id != 0 && wanted->id != stored->id)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("%s \"%s\" has the id " INT64_FORMAT, section->resource->noun,
                           wanted->name, stored->id),
                    errdetail("The document says " INT64_FORMAT ".", wanted->id),
                    errhint("Leave \"id\" out.")));
  auto *patch = make_in<Json>(CurrentMemoryContext);
  guard([&] {
    *patch = resource_patch(section->resource->noun, *stored->document, *wanted->document);
  });
  if (guard([&] { return patch->empty(); }))
    return report(work, "unchanged", section->kind, wanted->name, nullptr);
  update_item(work, section, stored->id, guarded_text([&] { return patch->dump(); }));
  report(work, "update", section->kind, wanted->name,
         guarded_text([&] { return patch_keys(*patch); }));
}

struct Place {
  const char *key;
  int number;
};

void tell_place(void *arg) {
  const auto *place = static_cast<const Place *>(arg);
  errcontext("\"%s[%d]\" of the configuration", place->key, place->number);
}

void apply_section(const Work *work, int index) {
  const ConfigSection *given = &work->parts->sections[static_cast<size_t>(index)];
  Place place = {kSections[index].key, 0};
  ErrorContextCallback context = {error_context_stack, tell_place, &place};
  error_context_stack = &context;
  for (const std::string &document : given->documents) {
    apply_item(work, &kSections[index], document.c_str());
    ++place.number;
  }
  error_context_stack = context.previous;
}

// What a sync config's end takes with it.
const char *ended_by(int64 sync_config_id) {
  sql("SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT c.customer_id) "
      "FROM supaglue_internal.syncs s "
      "JOIN supaglue_internal.objects o ON o.id = s.object_id "
      "JOIN supaglue_internal.connections c ON c.id = s.connection_id WHERE o.sync_config_id = $1",
      {int_arg(sync_config_id)});
  if (int_at(0, 1) == 0) return nullptr;
  return format("ends %s of %s; tables and rows stay", counted(int_at(0, 1), "sync"),
                counted(int_at(0, 2), "customer"));
}

void prune_section(const Work *work, int index) {
  const Section *section = &kSections[index];
  if (!work->prune || !work->parts->sections[static_cast<size_t>(index)].given) return;
  const char *names = guarded_text([&] { return work->parts->names[index].dump(); });
  const uint64 count =
      sql(format("SELECT id, name FROM (%s) AS stored WHERE NOT $2::jsonb ? name ORDER BY id",
                 section->stored),
          {text_arg(work->application_id), text_arg(names)});
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;
    const int64 id = int_at(row, 1);
    const char *name = text_at(row, 2);
    const char *detail = index == kSyncConfigs ? ended_by(id) : nullptr;
    if (index == kSyncConfigs)
      call(work, "SELECT supaglue.delete_sync_config($1, true)", {int_arg(id)});
    else
      call(work, format("SELECT supaglue.delete_%s($1)", section->kind), {int_arg(id)});
    report(work, "delete", section->kind, name, detail);
  }
}

// Names of sync configs are known before any is applied: what is not named gives its objects up
// first, so that others can take them.
void note_sync_configs(const Work *work) {
  for (const std::string &document : work->parts->sections[kSyncConfigs].documents) {
    int64 provider_id = 0;
    const char *name = guarded_text([&] {
      const Document read = read_sync_config(document);
      provider_id = read.plain.value("provider_id", int64_t{0});
      return read.name.empty() ? read.plain.value("provider_name", std::string()) : read.name;
    });
    // Without a name it is called as its provider is.
    if (name[0] == '\0' && sql("SELECT name FROM supaglue_internal.providers WHERE id = $1",
                               {int_arg(provider_id)}) > 0)
      name = text_at(0, 1);
    guard([&] { work->parts->names[kSyncConfigs][name] = true; });
  }
}

void apply_all(const Work *work) {
  note_sync_configs(work);
  prune_section(work, kSyncConfigs);
  for (int i = 0; i < kSectionCount; ++i) {
    guard([&] { work->parts->names[i] = Json::object(); });
    apply_section(work, i);
  }
  for (int i = kSyncConfigs - 1; i >= 0; --i) prune_section(work, i);
}

// All of it, and then none of it has happened.
void rehearse_all(const Work *work) {
  bool done = false;
  ErrorData *error = attempt([&] {
    rehearse_placement();
    apply_all(work);
    done = true;
    elog(ERROR, "the rehearsal is over");
  });
  if (!done) ReThrowError(error);
}

bool flag_argument(FunctionCallInfo fcinfo, int argument) {
  return !PG_ARGISNULL(argument) && PG_GETARG_BOOL(argument);
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_apply) {
  const char *document = document_argument(fcinfo, 0, "config");
  const bool dry_run = flag_argument(fcinfo, 1);
  Work work = {};
  work.prune = flag_argument(fcinfo, 2);
  work.application_id = default_application();
  work.parts = make_in<Application>(CurrentMemoryContext);
  guard([&] {
    std::vector<const char *> keys;
    for (const Section &section : kSections) keys.push_back(section.key);
    work.parts->sections = read_sections(document, keys);
  });
  work.api = open_api();
  dry_run ? rehearse_all(&work) : apply_all(&work);
  const char *rows = guarded_text([&] { return work.parts->report.dump(); });
  sql("SELECT action, kind, name, detail FROM pg_catalog.jsonb_to_recordset($1::jsonb) "
      "AS row (action text, kind text, name text, detail text)",
      {text_arg(rows)});
  return_rows(fcinfo);
  close_api(work.api);
  return static_cast<Datum>(0);
}

static void export_section(const Section *section, const char *application_id, Json *config) {
  const uint64 count =
      sql(format("SELECT id, name, config::text FROM (%s) AS stored ORDER BY id", section->stored),
          {text_arg(application_id)});
  SPITupleTable *rows = SPI_tuptable;
  guard([&] { (*config)[section->key] = Json::array(); });
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;
    const Resource *stored = stored_resource(*section->resource, int_at(row, 1), application_id,
                                             text_at(row, 2), text_at(row, 3), nullptr);
    guard([&] {
      (*config)[section->key].push_back(
          resource_document(section->resource->noun, *stored->document));
    });
  }
}

SUPAGLUE_FUNCTION(supaglue_export_config) {
  auto *config = make_in<Json>(CurrentMemoryContext);
  const MemoryContext caller = CurrentMemoryContext;
  const Api api = open_api();
  for (const Section &section : kSections) export_section(&section, default_application(), config);
  MemoryContextSwitchTo(caller);  // the document must outlive SPI's memory
  const char *text_of_it = guarded_text([&] { return config->dump(); });
  const Datum document = DirectFunctionCall1(jsonb_in, CStringGetDatum(text_of_it));
  close_api(api);
  return document;
}
