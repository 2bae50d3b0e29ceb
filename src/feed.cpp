// pg: the feed of events, read_events(). See feed.hpp.
//
// Ids are taken in another order than transactions commit. A transaction that is to write events
// therefore first locks its *floor*, the last id taken so far: all ids of its own are greater. A
// reader looks in this order: at the last id taken, at the floors that are locked, at the rows.
// Whoever locks his floor after that look takes ids after the first one; whoever has let go of it
// has committed before the third. So what is not beyond both is settled, and only transactions that
// write events hold the feed back: with pg_snapshot_xmin() everybody's would.
//
// What is past its retention is forgotten in the order of ids: the feed begins behind an event
// (feed_start) whose cursor is the oldest that is good, for all that came after it is there. So who
// has seen everything may go on however long nothing happens, and who missed something is told.
// The slots that events stand in cannot say this: they are chosen by the clock, and hold other
// ranges of ids when transactions race, the clock goes back, the retention was changed or nobody
// emptied them for long. Before one is emptied, the feed moves behind its greatest id, provided
// that all up to there, in whatever slot, are past their retention and settled. What is left of
// them elsewhere is told no more, and goes with its own slot; nothing is deleted singly.
#include "feed.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

// Field 4 keeps the locks apart from all advisory locks that SQL can take, and from worker.cpp's.
constexpr uint16 kFloorLock = 79;

// The cursor that names an event. Another state of the database has another event of this id.
#define EVENT_CURSOR "id || '-' || pg_catalog.to_hex((extract(epoch FROM at) * 1000000)::bigint)"

int64 last_id_taken() {
  sql("SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM supaglue_internal.event_id");
  return int_at(0, 1);
}

int64 floor_of(const LOCKTAG *tag) {
  return static_cast<int64>(static_cast<uint64>(tag->locktag_field2) << 32 | tag->locktag_field3);
}

// Up to which id all is settled.
int64 settled_id() {
  int64 settled = last_id_taken();
  const LockData *data = GetLockStatusData();
  for (int i = 0; i < data->nelements; ++i) {
    const LOCKTAG *tag = &data->locks[i].locktag;
    if (tag->locktag_type == LOCKTAG_ADVISORY && tag->locktag_field4 == kFloorLock &&
        tag->locktag_field1 == MyDatabaseId)
      settled = Min(settled, floor_of(tag));
  }
  return settled;
}

// The id behind which the feed begins.
int64 start_of_feed() {
  return sql_latest("SELECT id FROM supaglue_internal.feed_start") > 0 ? int_at(0, 1) : 0;
}

// The id in a cursor that names an event of this feed.
int64 id_of_cursor(const char *cursor) {
  const Arg start = int_arg(start_of_feed());
  if (sql_latest("SELECT id FROM (SELECT id, at FROM supaglue_internal.events"
                 "  UNION ALL SELECT id, at FROM supaglue_internal.feed_start) AS known"
                 " WHERE id = pg_catalog.substring($1, '^([0-9]{1,18})-')::bigint AND id >= $2"
                 " AND " EVENT_CURSOR " = $1",
                 {text_arg(cursor), start}) > 0)
    return int_at(0, 1);
  sql_latest("SELECT pg_catalog.substring($1, '^([0-9]{1,18})-[0-9a-f]{1,16}$')::bigint < $2",
             {text_arg(cursor), start});
  const char *hint =
      "Bring your copy of the tables up to date as a whole, and read on from the end of the feed.";
  if (bool_at(0, 1))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("events after this cursor may have been deleted"),
                    errdetail("The cursor is older than what supaglue.event_retention keeps."),
                    errhint("%s", hint)));
  ereport(
      ERROR,
      (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"after\" is no cursor of this feed"),
       errdetail("Allowed are NULL, which reads from the oldest event that is kept, and a "
                 "cursor that supaglue.read_events() returned in this database. A database that "
                 "was restored forgets those that came later."),
       errhint("%s", hint)));
  pg_unreachable();
}

// The settled ids behind `after`, and the slots that they are in: an id is looked for in each.
struct Settled {
  Datum ids, slots;
};

Settled settled_behind(int64 after, int64 most) {
  const int64 settled = settled_id();
  sql_latest(
      "SELECT coalesce(pg_catalog.array_agg(id), '{}'),"
      "  coalesce(pg_catalog.array_agg(DISTINCT slot), '{}')"
      " FROM (SELECT id, slot FROM supaglue_internal.events WHERE id > $1 AND id <= $2"
      "  AND kind <> 'erased' ORDER BY id LIMIT $3) AS settled",
      {int_arg(after), int_arg(settled), int_arg(most)});
  const auto array_at = [](int column) {
    bool null;
    return SPI_datumTransfer(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null), false, -1);
  };
  return {array_at(1), array_at(2)};
}

// The events of these ids, up to the first that the caller's own snapshot does not show: rows that
// it tells of would be missing there, too.
void read_seen(const Settled &settled) {
  static const char statement[] =
      "SELECT " EVENT_CURSOR
      ", kind, at,"
      "  pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('id', id,"
      "    'application_id', application_id, 'customer_id', customer_id,"
      "    'provider_name', provider_name, 'sync_id', sync_id, 'run_id', run_id)) || payload"
      " FROM supaglue_internal.events WHERE id = ANY ($1) AND slot = ANY ($2) AND id < ALL (ARRAY("
      "  SELECT unseen FROM pg_catalog.unnest($1) AS unseen EXCEPT"
      "  SELECT id FROM supaglue_internal.events WHERE id = ANY ($1) AND slot = ANY ($2)))"
      " ORDER BY id";
  Oid types[] = {INT8ARRAYOID, INT4ARRAYOID};
  Datum values[] = {settled.ids, settled.slots};
  const int result = SPI_execute_with_args(statement, 2, types, values, nullptr, true, 0);
  if (result != SPI_OK_SELECT) elog(ERROR, "cannot read: %s", SPI_result_code_string(result));
}

// Whether the feed begins behind all events of a partition from now on. All of those are past their
// retention, and nobody writes to it. It may stay for a while if somebody reads it: that it is told
// no more does no harm.
bool forget(const char *partition) {
  sql(format("SELECT max(id) FROM %s", partition));
  const int64 last = int_at(0, 1);
  // What is not settled nobody could read. Beyond what is, nothing of the look below can change:
  // a transaction that is still to write events has its floor there, and all its ids.
  if (last > settled_id() ||
      sql(format("SELECT FROM supaglue_internal.events WHERE id <= $1 AND NOT (%s) LIMIT 1",
                 past(kEvents)),
          {int_arg(last)}) > 0)
    return false;
  sql(format("INSERT INTO supaglue_internal.feed_start (id, at) SELECT id, at FROM %s WHERE id = $1"
             " ON CONFLICT (single) DO UPDATE SET id = excluded.id, at = excluded.at"
             " WHERE feed_start.id < excluded.id",
             partition),
      {int_arg(last)});
  return true;
}

}  // namespace

const Ring kEvents = {"events", "at", &settings.event_retention_min, forget};

void hold_feed() {
  static FullTransactionId holder = InvalidFullTransactionId;
  static int64 floor = 0;
  const FullTransactionId transaction = GetTopFullTransactionId();
  if (!FullTransactionIdEquals(holder, transaction)) {
    floor = last_id_taken();
    holder = transaction;
  }
  // One lock a transaction, however often; taken again where a savepoint gave it up.
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(static_cast<uint64>(floor) >> 32),
                       static_cast<uint32>(floor), kFloorLock);
  LockAcquire(&tag, ShareLock, false, false);
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_read_events) {
  const char *after = PG_ARGISNULL(0) ? nullptr : text_argument(fcinfo, 0, "after");
  if (PG_ARGISNULL(1))
    ereport(ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("max_events must not be null")));
  const int32 most = PG_GETARG_INT32(1);
  if (most < 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_events must be positive"),
                    errdetail("It is %d.", most)));
  if (RecoveryInProgress())
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the feed of events is not read on a standby"),
                    errdetail("It cannot know which events the primary is about to commit."),
                    errhint("Call supaglue.read_events() on the primary.")));
  const Api api = open_api();
  // No partition is emptied from here on, and what the looks below see is younger than all that
  // were before.
  sql("LOCK TABLE supaglue_internal.events IN ACCESS SHARE MODE");
  read_seen(settled_behind(after == nullptr ? start_of_feed() : id_of_cursor(after), most));
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}
