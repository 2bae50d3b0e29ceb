// door: the prelude of every pg file and the only way across the boundary between C++ and
// Postgres: guard() (Postgres calls C++), pg_call() (C++ calls Postgres), make_in() (a memory
// context owns a C++ object), and every difference between Postgres versions. Pure headers come
// first: the macros of postgres.h break C++ headers that follow it.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "column_type.hpp"
#include "common_schema.hpp"
#include "config.hpp"
#include "connector.hpp"
#include "credential.hpp"
#include "crypto.hpp"
#include "error.hpp"
#include "fetch.hpp"
#include "hoisting.hpp"
#include "http.hpp"
#include "json.hpp"
#include "page.hpp"
#include "schedule.hpp"
#include "secret_file.hpp"
#include "session.hpp"
#include "source.hpp"
#include "stamp.hpp"

extern "C" {
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/explain.h"
#include "commands/extension.h"
#include "commands/vacuum.h"
#include "executor/execAsync.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paramassign.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "nodes/params.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/buffile.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/varlena.h"
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

namespace supaglue {

/// An error on its way from C++ to ereport: plain memory, so that nothing is left to destroy
/// when it is raised. `postgres` is set when the error was Postgres's own.
struct Raised {
  ErrorData *postgres;
  char sqlstate[6];
  char message[1024];
  char detail[2048];
  char hint[1024];
  /// Copies the exception that is being handled. To be called in a catch block.
  void capture() noexcept;
  /// Raises it. No C++ object may be alive above this frame.
  [[noreturn]] void raise();
};

/// What guard() must find again when an exception arrives.
struct Frame {
  sigjmp_buf *exception_stack = PG_exception_stack;
  ErrorContextCallback *error_context = error_context_stack;
  MemoryContext memory_context = CurrentMemoryContext;
  void restore() const {
    PG_exception_stack = exception_stack;
    error_context_stack = error_context;
    CurrentMemoryContext = memory_context;
  }
};

/// Postgres calls C++: runs `body`, which may throw and own destructors but must call nothing
/// of Postgres that can raise (but through pg_call). An exception becomes an SQL error once
/// everything that `body` owned is destroyed.
template <typename Body>
[[gnu::noinline]] auto guard(Body &&body) -> decltype(body()) {
  const Frame frame;
  Raised raised;
  try {
    return body();
  } catch (...) {
    raised.capture();
  }
  frame.restore();
  raised.raise();
}

/// Like guard(), but gives the error to the caller instead of raising it; false: there was one.
template <typename Body>
[[gnu::noinline]] bool attempt(Body &&body, Raised *raised) {
  const Frame frame;
  try {
    body();
    return true;
  } catch (...) {
    raised->capture();
  }
  frame.restore();
  return false;
}

/// A Postgres error on its way through C++ frames; only guard() may end it.
struct PgError {
  ErrorData *data;
};

/// Runs fn(arg) and throws a PgError if it raises.
void pg_call_erased(void (*fn)(void *), void *arg);

/// C++ calls Postgres: `body` may raise; it captures by reference, owns no destructors and returns
/// plain data or nothing. The error that it raises must leave the enclosing guard().
template <typename Body>
auto pg_call(Body &&body) -> decltype(body()) {
  using Result = decltype(body());
  if constexpr (std::is_void_v<Result>) {
    pg_call_erased([](void *arg) { (*static_cast<std::remove_reference_t<Body> *>(arg))(); },
                   &body);
  } else {
    static_assert(std::is_trivially_destructible_v<Result>);
    struct Call {
      std::remove_reference_t<Body> *body;
      Result result;
    } call{&body, {}};
    pg_call_erased(
        [](void *arg) {
          auto *c = static_cast<Call *>(arg);
          c->result = (*c->body)();
        },
        &call);
    return call.result;
  }
}

/// Runs fn(arg) in a subtransaction. Null when it went well; else what it did is undone, and its
/// error is given.
ErrorData *attempt_erased(void (*fn)(void *), void *arg);

/// Postgres code that may fail without ending the caller's transaction. `body` is pg code: it may
/// raise, throws nothing and owns no destructors. A cancel and a shutdown are raised as ever.
template <typename Body>
ErrorData *attempt(Body &&body) {
  return attempt_erased([](void *arg) { (*static_cast<std::remove_reference_t<Body> *>(arg))(); },
                        &body);
}

/// Makes a C++ object that lives as long as the memory context, on errors too.
template <typename T, typename... Args>
T *make_in(MemoryContext context, Args &&...args) {
  auto *callback = static_cast<MemoryContextCallback *>(
      MemoryContextAllocZero(context, sizeof(MemoryContextCallback)));
  callback->func = [](void *object) { delete static_cast<T *>(object); };
  callback->arg = guard([&] { return new T(std::forward<Args>(args)...); });
  MemoryContextRegisterResetCallback(context, callback);
  return static_cast<T *>(callback->arg);
}

/// Runs `body`, which returns a std::string, in guard() and gives the text in the current context.
template <typename Body>
char *guarded_text(Body &&body) {
  auto *text = make_in<std::string>(CurrentMemoryContext);
  guard([&] { *text = body(); });
  return pnstrdup(text->data(), text->size());
}

/// Runs fn(arg) in a transaction of its own, with SPI connected and a snapshot. An error aborts the
/// transaction, is logged, and returned as a copy in the current context; null when all went well.
/// For the workers' loops: no transaction may be under way.
ErrorData *unit_of_work_erased(void (*fn)(void *), void *arg);
template <typename Body>
ErrorData *unit_of_work(Body &&body) {
  return unit_of_work_erased(
      [](void *arg) { (*static_cast<std::remove_reference_t<Body> *>(arg))(); }, &body);
}

// What differs between versions of Postgres for a foreign scan.
/// The number of the scanned relation in the range table; of a count, of the one it counts.
Index scanned_relation(const ForeignScanState *node);
/// The role whose rights the scan uses: a view's owner when it is read through a view.
Oid scan_user(ForeignScanState *node);
/// The rights of a role on a foreign server, a schema or a database, named by its catalog.
AclResult rights_on(Oid catalog, Oid object, Oid role, AclMode mode);
bool owns_database(Oid database, Oid role);
/// The next datum of a sort, in memory of the caller; false at its end.
bool next_datum(Tuplesortstate *sort, Datum *value, bool *null);
/// A path that scans a foreign table; `pathkeys` is the order in which its rows come.
ForeignPath *make_foreign_path(PlannerInfo *root, RelOptInfo *rel, double rows, Cost startup_cost,
                               Cost total_cost, List *pathkeys, Relids required_outer,
                               List *fdw_private);
/// A path that gives the rows of an upper relation.
ForeignPath *make_foreign_upper_path(PlannerInfo *root, RelOptInfo *rel, double rows,
                                     Cost startup_cost, Cost total_cost, List *fdw_private);

/// expression_tree_walker() for a walker with its real type.
bool walk_expression(Node *node, bool (*walker)(Node *, void *), void *context);

/// A number in [0, 1).
double random_fraction();
/// Warns of settings of ours that do not exist.
void reserve_settings(const char *prefix);

/// The SQLSTATE of an error as text, and its class as sync_runs.error_class has it.
const char *sqlstate_text(int sqlerrcode);
const char *error_class_of(int sqlerrcode);

}  // namespace supaglue

/// Declares and opens an SQL-callable function: `SUPAGLUE_FUNCTION(supaglue_materialize) { ... }`.
/// The body sees `fcinfo`, is pg code, and nothing that it throws leaves it.
#define SUPAGLUE_FUNCTION(name)                                                               \
  static Datum name##_body(FunctionCallInfo fcinfo);                                          \
  extern "C" {                                                                                \
  __attribute__((visibility("default"))) Datum name(PG_FUNCTION_ARGS);                        \
  __attribute__((visibility("default"))) extern const Pg_finfo_record *pg_finfo_##name(void); \
  PG_FUNCTION_INFO_V1(name);                                                                  \
  Datum name(PG_FUNCTION_ARGS) {                                                              \
    return ::supaglue::guard([&] { return name##_body(fcinfo); });                            \
  }                                                                                           \
  }                                                                                           \
  static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)

/// Declares and opens the main function of a background worker.
#define SUPAGLUE_WORKER_MAIN(name, argument)                        \
  static void name##_body(Datum argument);                          \
  extern "C" {                                                      \
  __attribute__((visibility("default"))) void name(Datum argument); \
  void name(Datum argument) {                                       \
    ::supaglue::guard([&] { name##_body(argument); });              \
  }                                                                 \
  }                                                                 \
  static void name##_body([[maybe_unused]] Datum argument)

/// Declares the library and opens what runs when it is loaded: `SUPAGLUE_MODULE() { ... }`.
#define SUPAGLUE_MODULE()                                                            \
  static void module_init_body();                                                    \
  extern "C" {                                                                       \
  __attribute__((visibility("default"))) const Pg_magic_struct *Pg_magic_func(void); \
  PG_MODULE_MAGIC;                                                                   \
  __attribute__((visibility("default"))) void _PG_init(void);                        \
  void _PG_init(void) {                                                              \
    ::supaglue::guard([] { module_init_body(); });                                   \
  }                                                                                  \
  }                                                                                  \
  static void module_init_body()
