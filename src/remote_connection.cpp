// pg: connections to other Postgres servers. See remote_connection.hpp. (Only the name of a host is
// resolved by the C library, which blocks.)
#include "remote_connection.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/stat.h>

#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

#include "libpq-fe.h"

namespace supaglue {

namespace {

constexpr int kOldestServer = 120000;
constexpr const char *kSystemCertificates = "/etc/ssl/certs/ca-certificates.crt";
// Instead of what lies in the home directory of the server's user, which is not for everybody.
constexpr const char *kNoFile = "/dev/null/none";
constexpr int kMostPlaces = 4;  // that are remembered
// Below what any network between us forgets an idle connection after.
constexpr int kKeptMs = 10'000;
// A server that does not answer is left alone for so many times as long as that was waited for.
constexpr int kAwayTimes = 5;

/// Where to connect to; for guard bodies.
struct Address {
  std::string host, port, database, user, password, ssl_mode;
  std::string ca_cert, client_cert, client_key, server_name;

  void read(const char *config, const char *secret) {
    const Json plain = Json::parse(config);
    const Json sealed = secret == nullptr ? Json::object() : Json::parse(secret);
    host = plain.value("host", "");
    port = std::to_string(plain.value("port", 5432));
    database = plain.value("database", "");
    user = plain.value("user", "");
    ssl_mode = plain.value("ssl_mode", "verify-full");
    ca_cert = plain.value("server_ca_cert", "");
    client_cert = plain.value("client_cert", "");
    server_name = plain.value("server_name", "");
    password = sealed.value("password", "");
    client_key = sealed.value("client_key", "");
  }

  /// libpq checks a certificate against `host` and connects to `hostaddr`, which must be numeric.
  std::string numeric_host() const {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) return {};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
    char text[NI_MAXHOST];
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0)
      return {};
    return text;
  }
};

/// libpq takes certificates and keys from files only: one of our own, that goes with the
/// transaction at the latest.
struct PemFile {
  File file = -1;
  const char *path = nullptr;
};

PemFile write_pem(const std::string *text) {
  PemFile pem;
  if (text->empty()) return pem;
  pem.file = OpenTemporaryFile(false);
  pem.path = pstrdup(FilePathName(pem.file));
  const int length = static_cast<int>(text->size());
  if (chmod(pem.path, S_IRUSR | S_IWUSR) != 0 ||
      FileWrite(pem.file, const_cast<char *>(text->data()), length, 0, PG_WAIT_EXTENSION) != length)
    ereport(ERROR, (errcode_for_file_access(), errmsg("could not write a temporary file: %m")));
  return pem;
}

void remove_pem(const PemFile &pem) {
  if (pem.file >= 0) FileClose(pem.file);
}

const char *one_line(const char *text) {
  char *line = pstrdup(text), *end = line;
  for (const char *c = text; *c != '\0'; ++c) {
    const char next = *c == '\n' || *c == '\t' ? ' ' : *c;
    if (next != ' ' || (end > line && end[-1] != ' ')) *end++ = next;
  }
  while (end > line && end[-1] == ' ') --end;
  *end = '\0';
  return line;
}

bool connect_until(PGconn *connection, TimestampTz until) {
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || GetCurrentTimestamp() >= until) return false;
    const int event = state == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
    if (wait_for_server(connection, event, until)) state = PQconnectPoll(connection);
  }
  return true;
}

const char *connect_to(PGconn **made, const Address *address, Oid owner) {
  const bool trusted = superuser_arg(owner);
  const bool verifies = address->ssl_mode.starts_with("verify-");
  const bool has_key = !address->client_cert.empty() && !address->client_key.empty();
  if (!trusted && !has_key && address->password.empty())
    return "a password is required for a role that is no superuser";
  const char *ca_bundle = settings.ca_bundle != nullptr && settings.ca_bundle[0] != '\0'
                              ? settings.ca_bundle
                              : kSystemCertificates;
  const bool named = !address->server_name.empty();
  const char *numeric = named ? guarded_text([&] { return address->numeric_host(); }) : nullptr;
  const PemFile ca = write_pem(&address->ca_cert);
  const PemFile certificate = write_pem(&address->client_cert);
  const PemFile key = write_pem(&address->client_key);
  const char *const parameters[][2] = {
      {"host", named ? address->server_name.c_str() : address->host.c_str()},
      {"hostaddr", numeric},
      {"port", address->port.c_str()},
      {"dbname", address->database.c_str()},
      {"user", address->user.c_str()},
      {"password", address->password.c_str()},
      {"sslmode", address->ssl_mode.c_str()},
      {"sslrootcert", ca.path != nullptr ? ca.path
                      : verifies         ? ca_bundle
                                         : kNoFile},
      {"sslcert", certificate.path != nullptr ? certificate.path : kNoFile},
      {"sslkey", key.path != nullptr ? key.path : kNoFile},
      {"gssencmode", "disable"},
      {"passfile", kNoFile},
      {"client_encoding", "UTF8"},
      {"application_name", "supaglue"},
      {"keepalives_idle", "30"},
      {"keepalives_interval", "10"},
      {"keepalives_count", "3"},
  };
  constexpr size_t kCount = sizeof parameters / sizeof *parameters;
  const char *keywords[kCount + 1] = {};
  const char *values[kCount + 1] = {};
  for (size_t i = 0; i < kCount; ++i) {
    keywords[i] = parameters[i][0];
    values[i] = parameters[i][1];
  }
  const TimestampTz until =
      GetCurrentTimestamp() + static_cast<int64>(settings.connect_timeout_ms) * 1000;
  PGconn *connection = *made = PQconnectStartParams(keywords, values, 0);
  if (connection == nullptr) return "out of memory";
  // Not to the log: that could raise, in the middle of libpq.
  PQsetNoticeReceiver(
      connection, [](void *, const PGresult *) {}, nullptr);
  const bool connected = PQstatus(connection) != CONNECTION_BAD && connect_until(connection, until);
  remove_pem(ca);
  remove_pem(certificate);
  remove_pem(key);
  if (!connected)
    return PQstatus(connection) == CONNECTION_BAD ? connection_error(connection) : "timed out";
  if (!trusted && !PQconnectionUsedPassword(connection) && !(has_key && PQsslInUse(connection)))
    return "the server asked for no password, and a role that is no superuser must give one";
  if (PQserverVersion(connection) < kOldestServer) return "its version of PostgreSQL is below 12";
  PQsetnonblocking(connection, 1);
  return PQenterPipelineMode(connection) ? nullptr : connection_error(connection);
}

struct Kept {
  PGconn *connection;  // null: none
  char *place;         // libc's
  TimestampTz since;
};
Kept kept[kMostPlaces];
bool keeps = false;

void close_kept(Kept *one) {
  PQfinish(one->connection);
  free(one->place);
  *one = {};
}

/// Servers that could not be connected to of late.
struct Away {
  char *place, *failure;  // libc's
  TimestampTz until;      // not before is it tried again
};
Away away[kMostPlaces];

const char *known_failure(const char *place) {
  const TimestampTz now = GetCurrentTimestamp();
  for (const Away &one : away)
    if (now < one.until && strcmp(one.place, place) == 0) return pstrdup(one.failure);
  return nullptr;
}

void note_away(const char *place, const char *failure, TimestampTz took) {
  Away *oldest = away;
  for (Away &one : away)
    if (one.until < oldest->until) oldest = &one;
  free(oldest->place);
  free(oldest->failure);
  *oldest = {strdup(place), strdup(failure), GetCurrentTimestamp() + kAwayTimes * took};
  if (oldest->place == nullptr || oldest->failure == nullptr) oldest->until = 0;
}

}  // namespace

char *place_of(const char *config, const char *secret, Oid owner) {
  return format("%u %d %s %s", owner, superuser_arg(owner), config,
                secret == nullptr ? "" : secret);
}

const char *connect_to_server(PGconn **connection, const char *place, const char *config,
                              const char *secret, Oid owner) {
  const TimestampTz start = GetCurrentTimestamp();
  if (const char *failure = known_failure(place)) return failure;
  auto *address = make_in<Address>(CurrentMemoryContext);
  guard([&] { address->read(config, secret); });
  const char *failure = connect_to(connection, address, owner);
  if (keeps && failure != nullptr) note_away(place, failure, GetCurrentTimestamp() - start);
  return failure;
}

bool wait_for_server(PGconn *connection, int events, TimestampTz until) {
  const long ms =
      until == DT_NOEND ? -1 : TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
  const int happened = WaitLatchOrSocket(
      MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (ms >= 0 ? WL_TIMEOUT : 0) | events,
      PQsocket(connection), ms, PG_WAIT_EXTENSION);
  if (happened & WL_LATCH_SET) {
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
  return (happened & events) != 0;
}

const char *connection_error(PGconn *connection) { return one_line(PQerrorMessage(connection)); }

void keep_connections() {
  keeps = true;
  on_proc_exit(
      [](int, Datum) {
        for (Kept &one : kept) close_kept(&one);
      },
      0);
}

PGconn *take_kept_connection(const char *place) {
  close_stale_connections();
  for (Kept &one : kept) {
    if (one.connection == nullptr || strcmp(one.place, place) != 0) continue;
    PGconn *connection = one.connection;
    one.connection = nullptr;
    close_kept(&one);
    // A server that has closed it meanwhile has said so.
    if (PQconsumeInput(connection) && PQstatus(connection) == CONNECTION_OK) return connection;
    PQfinish(connection);
    return nullptr;
  }
  return nullptr;
}

void leave_connection(PGconn *connection, const char *place) {
  close_stale_connections();
  Kept *oldest = kept;
  for (Kept &one : kept)
    if (one.since < oldest->since) oldest = &one;
  const bool sound = keeps && connection != nullptr && PQstatus(connection) == CONNECTION_OK &&
                     PQtransactionStatus(connection) == PQTRANS_IDLE;
  if (!sound) return PQfinish(connection);
  close_kept(oldest);
  *oldest = {connection, strdup(place), GetCurrentTimestamp()};
  if (oldest->place == nullptr) close_kept(oldest);
}

int64 close_stale_connections() {
  const TimestampTz now = GetCurrentTimestamp();
  int64 next_ms = PG_INT64_MAX;
  for (Kept &one : kept) {
    if (one.connection == nullptr) continue;
    const int64 left_ms = kKeptMs - (now - one.since) / 1000;
    if (left_ms <= 0)
      close_kept(&one);
    else
      next_ms = Min(next_ms, left_ms);
  }
  return next_ms;
}

}  // namespace supaglue
