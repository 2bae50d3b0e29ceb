// pg: the tokens of connections as they lie in their table. It reads them, stores what a refresh
// gave and locks them against a second refresh; it speaks to no provider.
#include "token.hpp"

#include "pg.hpp"

#include "catalog.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

namespace supaglue {

namespace {

/// A token that expires sooner than this is not worth sending, unless it was born so short-lived:
/// some providers count every 401 against the app.
constexpr int64 kLeastLifeMs = 60'000;

/// What names a connection's secret to seal_secret().
char *purpose_of(int64 connection_id) { return format("connection " INT64_FORMAT, connection_id); }

/// How long a token must still live to be sent: else a refresh would follow every refresh.
int64 least_life_ms(TimestampTz expires_at, TimestampTz refreshed_at) {
  if (TIMESTAMP_IS_NOBEGIN(refreshed_at) || expires_at < refreshed_at) return kLeastLifeMs;
  return Min(kLeastLifeMs, (ms_of_time(expires_at) - ms_of_time(refreshed_at)) / 2);
}

/// Of a row of load_tokens(). Of providers, the last one's secret is kept unsealed.
struct Unsealed {
  int64 provider_id = 0;
  const char *secret = nullptr;
};

CredentialTexts texts_of_row(uint64 row, Unsealed *provider) {
  const TimestampTz expires_at = time_at(row, 9);
  CredentialTexts texts = {};
  texts.provider_name = text_at(row, 1);
  texts.connection_config = text_at(row, 2);
  texts.provider_config = text_at(row, 3);
  if (provider->provider_id != int_at(row, 4)) {
    provider->provider_id = int_at(row, 4);
    provider->secret =
        null_at(row, 5)
            ? nullptr
            : unseal_secret(format("provider " INT64_FORMAT, int_at(row, 4)), bytes_at(row, 5));
  }
  texts.provider_secret = provider->secret;
  texts.secret = unseal_secret(purpose_of(int_at(row, 12)), bytes_at(row, 6));
  texts.generation = int_at(row, 7);
  texts.base_url = text_at(row, 8);
  if (!TIMESTAMP_IS_NOBEGIN(expires_at))
    texts.good_until_ms = ms_of_time(expires_at) - least_life_ms(expires_at, time_at(row, 10));
  texts.expired = texts.good_until_ms != 0 && texts.good_until_ms < now_ms();
  return texts;
}

constexpr int kStoreAttempts = 3;

/// For a transaction of our own: what a rotating provider has given once, it does not give again.
void keep_durably(bool waits = true) {
  sql("SET LOCAL synchronous_commit = on");
  if (waits) sql("SET LOCAL lock_timeout = '30s'");
}

/// A lock of the session, not of a transaction, so that none is open while a refresh waits on the
/// network: a row lock would hold one. Its fourth field keeps it apart from what SQL's advisory
/// functions can lock.
LOCKTAG lock_of(int64 connection_id) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(connection_id >> 32),
                       static_cast<uint32>(connection_id), 77);
  return tag;
}

}  // namespace

void load_tokens(MemoryContext context, const int64 *connection_ids, int count,
                 TokenState **states) {
  for (int i = 0; i < count; ++i) states[i] = nullptr;
  const uint64 found = sql_latest(
      "SELECT p.name, c.config::pg_catalog.text, p.config::pg_catalog.text, p.id,"
      " p.secret, t.secret, t.generation, t.base_url, t.expires_at, t.refreshed_at,"
      " c.status OPERATOR(pg_catalog.=) 'reauthorization_required', c.id, wanted.number"
      " FROM pg_catalog.unnest($1) WITH ORDINALITY AS wanted (id, number)"
      " JOIN supaglue_internal.connections c ON c.id OPERATOR(pg_catalog.=) wanted.id"
      " JOIN supaglue_internal.providers p ON p.id OPERATOR(pg_catalog.=) c.provider_id"
      " JOIN supaglue_internal.tokens t ON t.connection_id OPERATOR(pg_catalog.=) c.id",
      {ints_arg(connection_ids, count)});
  Unsealed provider;
  for (uint64 row = 0; row < found; ++row) {
    auto *state = make_in<TokenState>(context);
    const CredentialTexts texts = texts_of_row(row, &provider);
    state->lost = bool_at(row, 11);
    guard([&] { resolve_credential(texts, &state->access, &state->grant); });
    states[int_at(row, 13) - 1] = state;
  }
}

TokenState *load_tokens(MemoryContext context, int64 connection_id) {
  TokenState *state;
  load_tokens(context, &connection_id, 1, &state);
  if (state == nullptr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("connection " INT64_FORMAT " does not exist", connection_id)));
  return state;
}

void wait_for_tokens(int64 connection_id) {
  const LOCKTAG tag = lock_of(connection_id);
  LockAcquire(&tag, ExclusiveLock, true, false);
}

bool lock_tokens(int64 connection_id) {
  const LOCKTAG tag = lock_of(connection_id);
  return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void unlock_tokens(int64 connection_id) {
  const LOCKTAG tag = lock_of(connection_id);
  LockRelease(&tag, ExclusiveLock, true);
}

namespace {

void store(int64 connection_id, int64 generation, const Tokens *tokens) {
  if (sql("SELECT secret FROM supaglue_internal.tokens WHERE connection_id = $1 AND generation = $2"
          " FOR UPDATE",
          {int_arg(connection_id), int_arg(generation)}) == 0)
    return;
  char *purpose = purpose_of(connection_id);
  const bytea *sealed = bytes_at(0, 1);
  const char *as_stored = unseal_secret_as_stored(purpose, sealed);
  const char *resolved = unseal_secret(purpose, sealed);
  const char *secret = guarded_text([&] { return refreshed_secret(as_stored, resolved, *tokens); });
  sealed = seal_secret(purpose, secret);
  sql("UPDATE supaglue_internal.tokens SET secret = $2, generation = generation + 1,"
      " base_url = coalesce($3, base_url), expires_at = $4, refreshed_at = clock_timestamp()"
      " WHERE connection_id = $1",
      {int_arg(connection_id), bytes_arg(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed)),
       text_arg(tokens->base_url.empty() ? nullptr : tokens->base_url.c_str()),
       time_arg(tokens->expires_at_ms == 0 ? DT_NOBEGIN : time_of_ms(tokens->expires_at_ms))});
}

/// The provider accepts the grant. Never waits: whoever has the connection's row is about to say
/// himself how it stands.
void record_acceptance(int64 connection_id, const std::string *account_id) {
  if (!account_id->empty())
    sql("UPDATE supaglue_internal.connections SET account_id = $2"
        " WHERE id IN (SELECT id FROM supaglue_internal.connections"
        "              WHERE id = $1 AND account_id IS DISTINCT FROM $2"
        "              FOR NO KEY UPDATE SKIP LOCKED)",
        {int_arg(connection_id), text_arg(account_id->c_str())});
  readmit_unlocked(connection_id);
}

bool is_current(int64 connection_id, int64 generation) {
  return sql("SELECT FROM supaglue_internal.tokens WHERE connection_id = $1 AND generation = $2",
             {int_arg(connection_id), int_arg(generation)}) > 0;
}

/// It may be granted yet. Never waits, as above.
bool degrade(int64 connection_id, int64 generation, const char *reason) {
  sql("UPDATE supaglue_internal.connections SET status = 'degraded', status_reason = $3"
      " WHERE id IN (SELECT c.id FROM supaglue_internal.connections c"
      "              JOIN supaglue_internal.tokens t ON t.connection_id = c.id"
      "              WHERE c.id = $1 AND t.generation = $2 AND c.status IN ('active', 'degraded')"
      "              FOR NO KEY UPDATE OF c SKIP LOCKED)",
      {int_arg(connection_id), int_arg(generation), text_arg(reason)});
  return is_current(connection_id, generation);
}

/// False: other credentials were stored meanwhile.
bool refuse(int64 connection_id, int64 generation, const char *reason) {
  keep_durably();
  // New credentials come under a lock on the connection: first the lock, then the look.
  sql("SELECT FROM supaglue_internal.connections WHERE id = $1 FOR NO KEY UPDATE",
      {int_arg(connection_id)});
  if (!is_current(connection_id, generation)) return false;
  if (sql("UPDATE supaglue_internal.connections c"
          " SET status = 'reauthorization_required', status_reason = $2"
          " FROM supaglue_internal.providers p WHERE c.id = $1 AND p.id = c.provider_id"
          " AND c.status <> 'reauthorization_required'"
          " RETURNING c.application_id, c.customer_id, p.name,"
          " jsonb_build_object('connection_id', c.id, 'reason', c.status_reason)::text",
          {int_arg(connection_id), text_arg(reason)}) == 1)
    write_event("connection.reauthorization_required", text_at(0, 1), text_at(0, 2), text_at(0, 3),
                0, 0, text_at(0, 4));
  return true;
}

}  // namespace

ErrorData *store_tokens(const Renewal *renewals, int count) {
  ErrorData *error = nullptr;
  for (int attempt = 0; attempt < (count == 1 ? kStoreAttempts : 1); ++attempt) {
    error = unit_of_work([&] {
      keep_durably(count == 1);
      for (int i = 0; i < count; ++i)
        store(renewals[i].connection_id, renewals[i].generation, renewals[i].tokens);
    });
    if (error == nullptr) break;
  }
  if (error != nullptr) return error;
  // Apart from the tokens, which are good whatever comes of this.
  unit_of_work([&] {
    keep_durably();
    for (int i = 0; i < count; ++i)
      record_acceptance(renewals[i].connection_id, &renewals[i].tokens->account_id);
  });
  return nullptr;
}

bool refuse_tokens(int64 connection_id, int64 generation, const char *reason, bool lost) {
  bool stands = true;
  unit_of_work([&] {
    stands = lost ? refuse(connection_id, generation, reason)
                  : degrade(connection_id, generation, reason);
  });
  return stands;
}

}  // namespace supaglue
