// door: how errors cross between C++ and Postgres.
#include "pg.hpp"

#include <cstring>

namespace supaglue {

namespace {

void copy(char *to, size_t size, const char *from) noexcept {
  const size_t length = strnlen(from, size - 1);
  memcpy(to, from, length);
  to[length] = '\0';
  // A text that was cut in the middle of a character would not be valid UTF-8.
  size_t end = length;
  while (length == size - 1 && end > 0 && (static_cast<unsigned char>(to[end - 1]) & 0xC0) == 0x80)
    --end;
  if (length == size - 1 && end > 0 && static_cast<unsigned char>(to[end - 1]) >= 0xC0)
    to[end - 1] = '\0';
}

}  // namespace

void Raised::capture() noexcept {
  postgres = nullptr;
  detail[0] = hint[0] = '\0';
  copy(sqlstate, sizeof sqlstate, "XX000");
  try {
    throw;
  } catch (const PgError &error) {
    postgres = error.data;
  } catch (const Error &error) {
    copy(sqlstate, sizeof sqlstate, error.sqlstate.c_str());
    copy(message, sizeof message, error.message.c_str());
    copy(detail, sizeof detail, error.detail.c_str());
    copy(hint, sizeof hint, error.hint.c_str());
  } catch (const std::bad_alloc &) {
    copy(sqlstate, sizeof sqlstate, "53200");
    copy(message, sizeof message, "out of memory");
  } catch (const std::exception &error) {
    copy(message, sizeof message, error.what());
  } catch (...) {
    copy(message, sizeof message, "unknown error");
  }
}

void Raised::raise() {
  if (postgres != nullptr) ReThrowError(postgres);
  ereport(ERROR,
          (errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
           errmsg_internal("%s", message), detail[0] ? errdetail_internal("%s", detail) : 0,
           hint[0] ? errhint("%s", hint) : 0));
  pg_unreachable();
}

void pg_call_erased(void (*fn)(void *), void *arg) {
  MemoryContext context = CurrentMemoryContext;
  ErrorData *volatile error = nullptr;
  PG_TRY();
  { fn(arg); }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
  }
  PG_END_TRY();
  if (error != nullptr) throw PgError{error};
}

ErrorData *attempt_erased(void (*fn)(void *), void *arg) {
  MemoryContext context = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  ErrorData *volatile error = nullptr;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  PG_TRY();
  {
    fn(arg);
    ReleaseCurrentSubTransaction();
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
  }
  PG_END_TRY();
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  if (error != nullptr &&
      (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN))
    ReThrowError(error);
  return error;
}

ErrorData *unit_of_work_erased(void (*fn)(void *), void *arg) {
  MemoryContext context = CurrentMemoryContext;
  ErrorData *volatile error = nullptr;
  PG_TRY();
  {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "cannot connect to SPI");
    PushActiveSnapshot(GetTransactionSnapshot());
    fn(arg);
    SPI_finish();
    PopActiveSnapshot();
    CommitTransactionCommand();
  }
  PG_CATCH();
  {
    HOLD_INTERRUPTS();
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    EmitErrorReport();
    AbortCurrentTransaction();
    FlushErrorState();
    RESUME_INTERRUPTS();
  }
  PG_END_TRY();
  MemoryContextSwitchTo(context);
  pgstat_report_stat(false);
  return error;
}

Index scanned_relation(const ForeignScanState *node) {
  const auto *plan = reinterpret_cast<const ForeignScan *>(node->ss.ps.plan);
  if (plan->scan.scanrelid > 0) return plan->scan.scanrelid;
#if PG_VERSION_NUM >= 160000
  return static_cast<Index>(bms_next_member(plan->fs_base_relids, -1));
#else
  return static_cast<Index>(bms_next_member(plan->fs_relids, -1));
#endif
}

Oid scan_user(ForeignScanState *node) {
#if PG_VERSION_NUM >= 160000
  const Oid user = reinterpret_cast<ForeignScan *>(node->ss.ps.plan)->checkAsUser;
#else
  const Oid user = exec_rt_fetch(scanned_relation(node), node->ss.ps.state)->checkAsUser;
#endif
  return OidIsValid(user) ? user : GetUserId();
}

AclResult rights_on(Oid catalog, Oid object, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(catalog, object, role, mode);
#else
  switch (catalog) {
    case ForeignServerRelationId:
      return pg_foreign_server_aclcheck(object, role, mode);
    case NamespaceRelationId:
      return pg_namespace_aclcheck(object, role, mode);
    case DatabaseRelationId:
      return pg_database_aclcheck(object, role, mode);
    default:
      elog(ERROR, "rights on catalog %u are not asked for here", catalog);
  }
#endif
}

bool owns_database(Oid database, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(DatabaseRelationId, database, role);
#else
  return pg_database_ownercheck(database, role);
#endif
}

bool next_datum(Tuplesortstate *sort, Datum *value, bool *null) {
#if PG_VERSION_NUM >= 160000
  return tuplesort_getdatum(sort, true, true, value, null, nullptr);
#else
  return tuplesort_getdatum(sort, true, value, null, nullptr);
#endif
}

ForeignPath *make_foreign_path(PlannerInfo *root, RelOptInfo *rel, double rows, Cost startup_cost,
                               Cost total_cost, List *pathkeys, Relids required_outer,
                               List *fdw_private) {
#if PG_VERSION_NUM >= 180000
  return create_foreignscan_path(root, rel, nullptr, rows, 0, startup_cost, total_cost, pathkeys,
                                 required_outer, nullptr, NIL, fdw_private);
#elif PG_VERSION_NUM >= 170000
  return create_foreignscan_path(root, rel, nullptr, rows, startup_cost, total_cost, pathkeys,
                                 required_outer, nullptr, NIL, fdw_private);
#else
  return create_foreignscan_path(root, rel, nullptr, rows, startup_cost, total_cost, pathkeys,
                                 required_outer, nullptr, fdw_private);
#endif
}

ForeignPath *make_foreign_upper_path(PlannerInfo *root, RelOptInfo *rel, double rows,
                                     Cost startup_cost, Cost total_cost, List *fdw_private) {
#if PG_VERSION_NUM >= 180000
  return create_foreign_upper_path(root, rel, rel->reltarget, rows, 0, startup_cost, total_cost,
                                   NIL, nullptr, NIL, fdw_private);
#elif PG_VERSION_NUM >= 170000
  return create_foreign_upper_path(root, rel, rel->reltarget, rows, startup_cost, total_cost, NIL,
                                   nullptr, NIL, fdw_private);
#else
  return create_foreign_upper_path(root, rel, rel->reltarget, rows, startup_cost, total_cost, NIL,
                                   nullptr, fdw_private);
#endif
}

#if PG_VERSION_NUM >= 150000
bool walk_expression(Node *node, bool (*walker)(Node *, void *), void *context) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker(node, walker, context);
#else
  return expression_tree_walker(
      node, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(walker)), context);
#endif
}

double random_fraction() { return pg_prng_double(&pg_global_prng_state); }
void reserve_settings(const char *prefix) { MarkGUCPrefixReserved(prefix); }
#else
double random_fraction() { return static_cast<double>(random()) / (MAX_RANDOM_VALUE + 1.0); }
void reserve_settings(const char *prefix) { EmitWarningsOnPlaceholders(prefix); }
#endif

const char *sqlstate_text(int sqlerrcode) { return unpack_sql_state(sqlerrcode); }

const char *error_class_of(int sqlerrcode) {
  const char *sqlstate = unpack_sql_state(sqlerrcode);
  for (const ErrorClass error_class :
       {ErrorClass::kPermission, ErrorClass::kAuthentication, ErrorClass::kObjectGone,
        ErrorClass::kFieldGone, ErrorClass::kQuota, ErrorClass::kTransient, ErrorClass::kProvider,
        ErrorClass::kData})
    if (strcmp(sqlstate_of(error_class), sqlstate) == 0) return name_of(error_class);
  return name_of(ErrorClass::kInternal);
}

}  // namespace supaglue
