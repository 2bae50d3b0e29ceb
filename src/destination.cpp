// pg: this database as a destination, and the opening of either kind. See destination.hpp.
#include "destination.hpp"

#include "catalog.hpp"
#include "jsonb_array.hpp"
#include "pg.hpp"
#include "plans.hpp"
#include "remote.hpp"
#include "secret.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"

namespace supaglue {

Text text_of(const char *text) { return {text, static_cast<int>(strlen(text))}; }

Value value_of(const char *text) {
  Value value = {};
  value.one = {text, text == nullptr ? 0 : static_cast<int>(strlen(text))};
  return value;
}

namespace {

Value array_of(Value::Kind kind, int count) {
  Value value = {};
  value.kind = kind;
  value.count = count;
  return value;
}

}  // namespace

Value value_of(const Text *texts, int count) {
  Value value = array_of(Value::Kind::kTexts, count);
  value.texts = texts;
  return value;
}
Value value_of(const TimestampTz *times, int count) {
  Value value = array_of(Value::Kind::kTimes, count);
  value.times = times;
  return value;
}
Value value_of(const bool *booleans, int count) {
  Value value = array_of(Value::Kind::kBooleans, count);
  value.booleans = booleans;
  return value;
}
Value jsonbs_of(const Text *jsonbs, int count) {
  Value value = array_of(Value::Kind::kJsonbs, count);
  value.texts = jsonbs;
  return value;
}

namespace {

void set_here(const char *name, const char *value) {
  set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

Oid owner_of_relation(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

Datum datum_of(const Text &text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data, text.length));
}

/// The elements of an array of anything but jsonb.
Datum element_of(const Value &value, int i, bool *null) {
  switch (value.kind) {
    case Value::Kind::kTimes:
      *null = TIMESTAMP_IS_NOBEGIN(value.times[i]);
      return TimestampTzGetDatum(value.times[i]);
    case Value::Kind::kBooleans:
      *null = false;
      return BoolGetDatum(value.booleans[i]);
    default:
      *null = value.texts[i].data == nullptr;
      return *null ? static_cast<Datum>(0) : datum_of(value.texts[i]);
  }
}

Datum array_of(const Value &value, Oid type) {
  auto *datums = static_cast<Datum *>(palloc(sizeof(Datum) * Max(value.count, 1)));
  auto *nulls = static_cast<bool *>(palloc(Max(value.count, 1)));
  for (int i = 0; i < value.count; ++i) datums[i] = element_of(value, i, &nulls[i]);
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(type, &length, &by_value, &alignment);
  int dimension = value.count, lower_bound = 1;
  return PointerGetDatum(construct_md_array(datums, nulls, value.count == 0 ? 0 : 1, &dimension,
                                            &lower_bound, type, length, by_value, alignment));
}

}  // namespace

Oid element_type(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kJsonbs:
      return JSONBOID;
    case Value::Kind::kTimes:
      return TIMESTAMPTZOID;
    case Value::Kind::kBooleans:
      return BOOLOID;
    default:
      return TEXTOID;
  }
}

Oid type_of(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kTexts:
      return TEXTARRAYOID;
    case Value::Kind::kJsonbs:
      return JSONBARRAYOID;
    case Value::Kind::kTimes:
      return TIMESTAMPTZARRAYOID;
    case Value::Kind::kBooleans:
      return BOOLARRAYOID;
    default:
      return TEXTOID;
  }
}

namespace {

class LocalDestination final : public Here {
 public:
  LocalDestination(Oid owner, Plans *plans, MemoryContext scratch)
      : owner_(owner), plans_(plans), scratch_(scratch) {}

  uint64 execute(const char *statement, std::initializer_list<Value> args) override {
    return run(statement, args, true, nullptr);
  }
  void send(const char *statement, std::initializer_list<Value> args, void (*take)(void *, uint64),
            void *of) override {
    take(of, execute(statement, args));
  }
  void take_sent() override {}
  void tell(const char *statement, std::initializer_list<Value> args) override {
    execute(statement, args);
  }
  uint64 read(const char *statement, std::initializer_list<Value> args) override {
    return run(statement, args, false, nullptr);
  }
  void stream(const char *statement, std::initializer_list<Value> args,
              void (*take)(void *, std::string_view), void *of) override;
  const char *field(uint64 row, int column) override { return fields_[row * columns_ + column]; }
  void set_lock_timeout(int ms) override { lock_timeout_ms_ = ms; }
  void begin() override;
  void commit() override {}
  bool is_remote() const override { return false; }
  const char *label() const override { return "this database"; }

 private:
  void pin_settings() const;
  Oid role_for(SPIPlanPtr plan) const;
  Datum datum_of(const Value &value) const;
  uint64 run(const char *statement, std::initializer_list<Value> args, bool as_texts,
             DestReceiver *receiver);
  int execute_planned(const char *statement, std::initializer_list<Value> args,
                      DestReceiver *receiver);
  void keep_result();

  Oid owner_;
  Plans *plans_;
  MemoryContext scratch_;  // arguments and result of the last statement
  int lock_timeout_ms_ = settings.lock_timeout_ms;
  char **fields_ = nullptr;
  int columns_ = 0;
};

// A deferred trigger would run at commit, as whoever commits, with all that he may do. Those that
// are waiting now were put there by the session's user, not by the role that we act as; and what
// they set must not reach our own statements, which go on with more rights.
void LocalDestination::begin() {
  const Identity identity = become(GetOuterUserId(), false);
  const int level = NewGUCNestLevel();
  SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
  AtEOXact_GUC(false, level);
  restore(identity);
}

void LocalDestination::pin_settings() const {
  set_here("search_path", "pg_catalog, pg_temp");
  set_here("row_security", "off");  // an error, never fewer rows
  set_here("plan_cache_mode", "auto");
  if (LockTimeout == 0 || LockTimeout > lock_timeout_ms_)
    set_here("lock_timeout", format("%d", lock_timeout_ms_));
}

/// Whose code a statement may run: a superuser's sync into a table that somebody else owns runs his
/// triggers, defaults and index expressions, so it runs as him.
Oid LocalDestination::role_for(SPIPlanPtr plan) const {
  if (!superuser_arg(owner_)) return owner_;
  const ListCell *source;
  foreach (source, SPI_plan_get_plan_sources(plan)) {
    const ListCell *relation;
    foreach (relation, static_cast<const CachedPlanSource *>(lfirst(source))->relationOids) {
      const Oid role = owner_of_relation(lfirst_oid(relation));
      if (OidIsValid(role) && !superuser_arg(role)) return role;
    }
  }
  return owner_;
}

Datum LocalDestination::datum_of(const Value &value) const {
  switch (value.kind) {
    case Value::Kind::kText:
      return supaglue::datum_of(value.one);
    case Value::Kind::kJsonbs:
      return PointerGetDatum(jsonb_array(value.texts, value.count));
    default:
      return array_of(value, element_type(value.kind));
  }
}

/// With a receiver the rows go to it, and not to SPI_tuptable.
int LocalDestination::execute_planned(const char *statement, std::initializer_list<Value> args,
                                      DestReceiver *receiver) {
  const int count = static_cast<int>(args.size());
  auto *types = static_cast<Oid *>(palloc(sizeof(Oid) * count));
  SPIExecuteOptions options = {};
  options.params = makeParamList(count);
  options.dest = receiver;
  int i = 0;
  for (const Value &value : args) {
    types[i] = type_of(value.kind);
    const bool null = value.kind == Value::Kind::kText && value.one.data == nullptr;
    options.params->params[i] = {null ? static_cast<Datum>(0) : datum_of(value), null,
                                 PARAM_FLAG_CONST, types[i]};
    ++i;
  }
  SPIPlanPtr plan = plans_->prepared(statement, types, count);
  MemoryContextSwitchTo(scratch_);  // SPI left its own, which lives as long as the transaction
  become(role_for(plan), true);
  plan_for_any_size(plan);
  return SPI_execute_plan_extended(plan, &options);
}

/// As texts of our own, because others use SPI before the fields are read.
void LocalDestination::keep_result() {
  SPITupleTable *table = SPI_tuptable;
  fields_ = nullptr;
  columns_ = 0;
  if (table == nullptr) return;
  columns_ = table->tupdesc->natts;
  fields_ = static_cast<char **>(palloc(sizeof(char *) * Max(table->numvals * columns_, 1)));
  for (uint64 row = 0; row < table->numvals; ++row)
    for (int column = 0; column < columns_; ++column)
      fields_[row * columns_ + column] = SPI_getvalue(table->vals[row], table->tupdesc, column + 1);
  SPI_freetuptable(table);
}

uint64 LocalDestination::run(const char *statement, std::initializer_list<Value> args,
                             bool as_texts, DestReceiver *receiver) {
  MemoryContextReset(scratch_);
  const MemoryContext caller = MemoryContextSwitchTo(scratch_);
  const Identity identity = become(owner_, true);
  const int level = NewGUCNestLevel();
  pin_settings();
  start_stopwatch();
  const int result = args.size() == 0 ? SPI_execute(statement, false, 0)
                                      : execute_planned(statement, args, receiver);
  stop_stopwatch();
  if (result < 0) elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
  const uint64 rows = SPI_processed;
  MemoryContextSwitchTo(scratch_);  // and again
  if (as_texts) keep_result();
  AtEOXact_GUC(false, level);  // what triggers have set, too
  restore(identity);
  MemoryContextSwitchTo(caller);
  return rows;
}

// The rows of a statement, each of one text, go through it to whoever takes them.
struct TextReceiver {
  DestReceiver receiver;
  void (*take)(void *, std::string_view);
  void *of;
};

bool receive_text(TupleTableSlot *row, DestReceiver *receiver) {
  const auto *self = reinterpret_cast<TextReceiver *>(receiver);
  bool null;
  const Datum datum = slot_getattr(row, 1, &null);
  text *value = DatumGetTextPP(datum);
  self->take(self->of, {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)});
  if (PointerGetDatum(value) != datum) pfree(value);  // it was compressed
  return true;
}

void LocalDestination::stream(const char *statement, std::initializer_list<Value> args,
                              void (*take)(void *, std::string_view), void *of) {
  TextReceiver receiver = {};
  receiver.receiver.receiveSlot = receive_text;
  receiver.receiver.rStartup = [](DestReceiver *, int, TupleDesc) {};
  receiver.receiver.rShutdown = [](DestReceiver *) {};
  receiver.receiver.rDestroy = [](DestReceiver *) {};
  receiver.receiver.mydest = DestNone;
  receiver.take = take;
  receiver.of = of;
  run(statement, args, false, &receiver.receiver);
}

Here *open_local(Oid owner) {
  MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "supaglue local destination",
                                                ALLOCSET_DEFAULT_SIZES);
  Plans *plans = plans_of_process();
  if (plans == nullptr) plans = make_in<Plans>(CurrentMemoryContext);
  return make_in<LocalDestination>(CurrentMemoryContext, owner, plans, scratch);
}

/// What is stored of a destination.
struct Stored {
  char *name;
  char *config;
  char *secret;  // JSON, or null
  bool remote;
};

Stored load_destination(int64 id) {
  if (sql("SELECT name, config, secret, config ? 'host' FROM supaglue_internal.destinations WHERE "
          "id = $1",
          {int_arg(id)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("destination " INT64_FORMAT " does not exist", id)));
  const bytea *sealed = bytes_at(0, 3);
  Stored stored = {text_at(0, 1), text_at(0, 2), nullptr, bool_at(0, 4)};
  if (sealed != nullptr)
    stored.secret = unseal_secret(format("destination " INT64_FORMAT, id), sealed);
  return stored;
}

bool is_remote_config(const char *config) {
  return guard([&] { return Json::parse(config).contains("host"); });
}

/// The remote destinations that the current transaction has joined.
struct Joined {
  int64 destination_id;
  Destination *destination;
  int level;  // of the (sub)transaction whose end decides
  MemoryContext context;
  Joined *next;
};
Joined *joined = nullptr;

void at_transaction_end(XactEvent event, void *) {
  if (joined == nullptr) return;
  if (event == XACT_EVENT_PRE_COMMIT)
    for (Joined *j = joined; j != nullptr; j = j->next) j->destination->commit();
  if (event == XACT_EVENT_PRE_PREPARE)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("cannot PREPARE a transaction that has written to a remote destination")));
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
    joined = nullptr;  // gone with its memory
}

void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void *) {
  const int level = GetCurrentTransactionNestLevel();
  if (event == SUBXACT_EVENT_ABORT_SUB)
    while (joined != nullptr && joined->level >= level) {
      Joined *gone = joined;
      joined = gone->next;
      MemoryContextDelete(gone->context);  // closes the connection, which rolls back
    }
  if (event == SUBXACT_EVENT_COMMIT_SUB)
    for (Joined *j = joined; j != nullptr && j->level >= level; j = j->next) j->level = level - 1;
}

Joined *find_joined(int64 destination_id) {
  Joined *found = joined;
  while (found != nullptr && found->destination_id != destination_id) found = found->next;
  return found;
}

Joined *join(int64 destination_id, const Stored &stored, Oid owner) {
  static bool registered = false;
  if (!registered) {
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
    registered = true;
  }
  const MemoryContext context = AllocSetContextCreate(
      TopTransactionContext, "supaglue joined destination", ALLOCSET_SMALL_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(context);
  auto *made = static_cast<Joined *>(palloc0(sizeof(Joined)));
  made->destination_id = destination_id;
  made->context = context;
  made->level = GetCurrentTransactionNestLevel();
  made->destination = open_remote(stored.name, stored.config, stored.secret, owner);
  made->destination->begin();
  made->next = joined;
  MemoryContextSwitchTo(caller);
  return joined = made;
}

}  // namespace

Destination *open_destination(int64 destination_id, Oid owner) {
  const Stored stored = load_destination(destination_id);
  if (stored.remote) return open_remote(stored.name, stored.config, stored.secret, owner);
  return open_local(owner);
}

Destination *join_destination(int64 destination_id, Oid owner) {
  const Stored stored = load_destination(destination_id);
  if (!stored.remote) {
    Destination *here = open_local(owner);
    here->begin();
    return here;
  }
  Joined *there = find_joined(destination_id);
  if (there == nullptr) there = join(destination_id, stored, owner);
  // A rollback to the savepoint would not undo there what is done from here on.
  if (there->level < GetCurrentTransactionNestLevel())
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("cannot write to %s within a savepoint", there->destination->label()),
                    errdetail("The transaction wrote to it before the savepoint.")));
  return there->destination;
}

bool has_joined(int64 destination_id) {
  const Joined *there = find_joined(destination_id);
  return there != nullptr && there->level == GetCurrentTransactionNestLevel();
}

Here *open_here(Oid owner) { return open_local(owner); }

char *destination_failure(const char *name, const char *config, const char *secret, Oid owner) {
  if (is_remote_config(config)) return remote_failure(name, config, secret, owner);
  const char *schema = guarded_text([&] { return Json::parse(config).value("schema", ""); });
  const Oid schema_oid = get_namespace_oid(schema, true);
  const bool allowed =
      OidIsValid(schema_oid)
          ? rights_on(NamespaceRelationId, schema_oid, owner, ACL_CREATE) == ACLCHECK_OK
          : rights_on(DatabaseRelationId, MyDatabaseId, owner, ACL_CREATE) == ACLCHECK_OK;
  if (allowed) return nullptr;
  return format("role \"%s\" may not create tables in schema \"%s\"",
                GetUserNameFromId(owner, false), schema);
}

}  // namespace supaglue
