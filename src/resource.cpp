// pg: configured resources. See resource.hpp.
#include "resource.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "secret.hpp"

namespace supaglue {

char *document_argument(FunctionCallInfo fcinfo, int argument, const char *name) {
  if (PG_ARGISNULL(argument))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
  Jsonb *document = PG_GETARG_JSONB_P(argument);
  return JsonbToCString(nullptr, &document->root, VARSIZE(document));
}

Resource *resource_of(Document *document) {
  auto *resource = static_cast<Resource *>(palloc0(sizeof(Resource)));
  resource->document = document;
  resource->id = document->id.value_or(0);
  resource->name = pstrdup(document->name.c_str());
  const char *application = text_of(resource, "application_id");
  resource->application_id = application ? application : default_application();
  resource->plain = guarded_text([&] {
    Json plain = document->plain;
    plain.erase("application_id");
    return plain.dump();
  });
  if (!document->secret.is_null())
    resource->secret = guarded_text([&] { return document->secret.dump(); });
  return resource;
}

Resource *stored_resource(const Kind &kind, int64 id, const char *application_id, const char *name,
                          const char *plain, const bytea *sealed) {
  const char *secret = nullptr;
  ErrorData *unreadable = nullptr;
  if (sealed != nullptr)
    unreadable = attempt([&] { secret = unseal_secret_as_stored(purpose_of(kind, id), sealed); });
  auto *document = make_in<Document>(CurrentMemoryContext);
  guard([&] {
    document->id = id;
    document->name = name;
    document->plain = Json::parse(plain);
    document->plain["application_id"] = application_id;
    if (secret != nullptr) document->secret = Json::parse(secret);
  });
  Resource *stored = resource_of(document);
  stored->unreadable = unreadable;
  return stored;
}

void require_readable(const Resource *stored) {
  if (stored->unreadable != nullptr) ReThrowError(stored->unreadable);
}

char *patched_document(const Kind &kind, const Resource *stored, const char *patch) {
  if (stored->unreadable != nullptr) {
    if (!guard([&] { return names_secret(kind.noun, patch); })) require_readable(stored);
    ereport(WARNING,
            (errmsg("the stored secrets of %s " INT64_FORMAT " cannot be read and are forgotten",
                    kind.noun, stored->id),
             errdetail("Only those that are given now are kept.")));
  }
  return guarded_text([&] { return patched(kind.noun, *stored->document, patch); });
}

void require_same_identity(const Kind &kind, const Resource *stored, Resource *next) {
  if (next->id == 0) next->id = stored->id;
  if (next->id != stored->id || strcmp(next->application_id, stored->application_id) != 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the id and the application of a %s cannot change", kind.noun)));
}

char *text_of(const Resource *resource, const char *key) {
  const char *text = guard([&]() -> const char * {
    const Json &plain = resource->document->plain;
    const auto found = plain.find(key);
    return found == plain.end() ? nullptr : found->get_ref<const std::string &>().c_str();
  });
  return text ? pstrdup(text) : nullptr;
}

int64 int_of(const Resource *resource, const char *key) {
  return guard([&]() -> int64 { return resource->document->plain.value(key, int64{0}); });
}

int64 take_id(const Kind &kind, int64 given) {
  if (given == 0) {
    // An id that was given by hand in another transaction may still be ahead of the sequence.
    do {
      sql("SELECT pg_catalog.nextval($1::regclass)", {text_arg(kind.sequence)});
      given = int_at(0, 1);
    } while (sql(format("SELECT FROM %s WHERE id = $1", kind.table), {int_arg(given)}) > 0);
    return given;
  }
  if (sql(format("SELECT FROM %s WHERE id = $1", kind.table), {int_arg(given)}) > 0)
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                    errmsg("%s " INT64_FORMAT " exists already", kind.noun, given),
                    errhint("Leave \"id\" out to get a free one.")));
  sql(format("SELECT pg_catalog.setval($1::regclass, greatest(last_value, $2)) FROM %s",
             kind.sequence),
      {text_arg(kind.sequence), int_arg(given)});
  return given;
}

char *purpose_of(const Kind &kind, int64 id) { return format("%s " INT64_FORMAT, kind.noun, id); }

Arg sealed_arg(const Kind &kind, int64 id, const char *secret) {
  if (secret == nullptr) return null_arg(BYTEAOID);
  return {BYTEAOID, PointerGetDatum(seal_secret(purpose_of(kind, id), secret)), false};
}

// "1 (salesforce), 2 (hubspot)"; null when there is none. Of one application, or of all.
static char *existing(const Kind &kind, const char *application_id) {
  sql(format("SELECT pg_catalog.string_agg(t.id || ' (' || t.name || ')', ', ' ORDER BY t.id) "
             "FROM (SELECT id, name FROM %s WHERE $1 IS NULL OR application_id = $1 "
             "ORDER BY id LIMIT 20) AS t",
             kind.table),
      {text_arg(application_id)});
  return text_at(0, 1);
}

Reference resolve(const Kind &kind, const Resource *resource, const char *id_key,
                  const char *name_key) {
  const int64 id = int_of(resource, id_key);
  const char *name = text_of(resource, name_key);
  const char *application = resource->application_id;
  if (sql(format("SELECT id, name FROM %s WHERE application_id = $1 AND (id = $2 OR name = $3) "
                 "FOR NO KEY UPDATE",
                 kind.table),
          {text_arg(application), int_arg(id), text_arg(name)}) > 0)
    return {int_at(0, 1), text_at(0, 2)};
  const char *others = existing(kind, application);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("%s %s does not exist in application \"%s\"", kind.noun,
                         name ? format("\"%s\"", name) : format(INT64_FORMAT, id), application),
                  others ? errhint("There are: %s.", others)
                         : errhint("Call supaglue.create_%s() first.", kind.noun)));
  pg_unreachable();
}

void no_such(const Kind &kind, int64 id) {
  const char *others = strcmp(kind.noun, "connection") == 0 ? nullptr : existing(kind, nullptr);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("%s " INT64_FORMAT " does not exist", kind.noun, id),
                  others ? errhint("There are: %s.", others)
                         : errhint("The view supaglue.%s lists what there is.",
                                   strchr(kind.table, '.') + 1)));
  pg_unreachable();
}

void require_new_name(const Kind &kind, const Resource *resource, int64 own_id) {
  if (sql(format("SELECT id FROM %s WHERE application_id = $1 AND name = $2 AND id <> $3",
                 kind.table),
          {text_arg(resource->application_id), text_arg(resource->name), int_arg(own_id)}) == 0)
    return;
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                  errmsg("%s \"%s\" exists already in application \"%s\"", kind.noun,
                         resource->name, resource->application_id),
                  errdetail("It has the id %s.", text_at(0, 1))));
}

char *counted(int64 count, const char *noun) {
  return format(INT64_FORMAT " %s%s", count, noun, count == 1 ? "" : "s");
}

bool same_text(const char *a, const char *b) {
  return a == nullptr || b == nullptr ? a == b : strcmp(a, b) == 0;
}

}  // namespace supaglue
