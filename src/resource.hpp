// pg: what providers, destinations, sync configs and connections have in common: a document that is
// read, an id, an application, a name, a sealed secret; and the errors of references. It must not
// know what the documents say.
#pragma once

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

/// A kind of resource: its noun in messages and its table.
struct Kind {
  const char *noun;
  const char *table;
  const char *sequence;
};
inline constexpr Kind kProvider{"provider", "supaglue_internal.providers",
                                "supaglue_internal.provider_id"};
inline constexpr Kind kDestination{"destination", "supaglue_internal.destinations",
                                   "supaglue_internal.destination_id"};
inline constexpr Kind kSyncConfig{"sync config", "supaglue_internal.sync_configs",
                                  "supaglue_internal.sync_config_id"};
inline constexpr Kind kSchema{"schema", "supaglue_internal.schemas", "supaglue_internal.schema_id"};
inline constexpr Kind kEntity{"entity", "supaglue_internal.entities",
                              "supaglue_internal.entity_id"};
inline constexpr Kind kConnection{"connection", "supaglue_internal.connections",
                                  "supaglue_internal.connection_id"};

/// A document in normal form as plain memory.
struct Resource {
  int64 id;  // 0: the document names none
  const char *application_id;
  const char *name;    // "": none
  const char *plain;   // JSON without id, application_id, name and secrets
  const char *secret;  // JSON; null: none
  const Document *document;
  ErrorData *unreadable;  // why the secret that is stored cannot be unsealed; null: it can
};

/// A jsonb argument as text; NULL is an error that names it.
char *document_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/// The plain form of a document that the current memory context owns. Its application is the one
/// that it names, else the setting's.
Resource *resource_of(Document *document);
/// Reads a document: `read` is a guard body that gives a Document.
template <typename Read>
Resource *read_resource(Read &&read) {
  auto *document = make_in<Document>(CurrentMemoryContext);
  guard([&] { *document = read(); });
  return resource_of(document);
}

/// A resource as it is stored, with the secret as it is sealed (null: none).
Resource *stored_resource(const Kind &kind, int64 id, const char *application_id, const char *name,
                          const char *plain, const bytea *sealed);
/// Raises why its secret cannot be unsealed, if so.
void require_readable(const Resource *stored);
/// The document after a merge patch over the stored one, to be read again. Where the key is lost, a
/// patch that gives the secrets anew needs none of the old ones; any other is refused.
char *patched_document(const Kind &kind, const Resource *stored, const char *patch);
/// What was read from it must have the id and the application that it had.
void require_same_identity(const Kind &kind, const Resource *stored, Resource *next);

/// A value of the plain part: null (0) when absent.
char *text_of(const Resource *resource, const char *key);
int64 int_of(const Resource *resource, const char *key);

/// The id for a new resource: the given one, past which the sequence moves, or the next.
int64 take_id(const Kind &kind, int64 given);
/// "provider 3", which a sealed secret is bound to.
char *purpose_of(const Kind &kind, int64 id);
/// A secret, sealed, as an argument of a statement.
Arg sealed_arg(const Kind &kind, int64 id, const char *secret);

/// A row that another document refers to, by id or by name; locked against deletion and against
/// other configuring.
struct Reference {
  int64 id;
  char *name;
};
Reference resolve(const Kind &kind, const Resource *resource, const char *id_key,
                  const char *name_key);
/// Raises 42704 for an id, with a hint that lists what there is.
[[noreturn]] void no_such(const Kind &kind, int64 id);
/// Raises 42710 when the application has a resource of the name.
void require_new_name(const Kind &kind, const Resource *resource, int64 own_id);
/// "1 sync", "2 syncs".
char *counted(int64 count, const char *noun);
/// Whether two texts are equal; either may be null.
bool same_text(const char *a, const char *b);

}  // namespace supaglue
