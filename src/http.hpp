// pure: the pool of HTTP transfers, the only code that knows libcurl. One multi handle, its
// sockets in an epoll set and its timeout in a timerfd, behind a single pollable descriptor, so
// that whoever drives it can wait for its latch and for the network at once. Never blocks.
// It must not know providers, tokens or retries: that is the session's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  std::string method = "GET";
  std::string url;  // as a source makes it: a path ("/services/..."); the session makes it absolute
  std::vector<Header> headers;
  std::string body;
  bool host_relative = false;   // the path is against the host of the base url, not under its path
  int64_t delay_ms = 0;         // to be sent so long after the answer before it
  bool keeps_received = false;  // whether Response::received is wanted
};

/// What came of a request: an answer, or the reason why there is none.
struct Response {
  enum class Failure {
    kNone,
    kTimeout,      // connecting or answering took too long
    kUnreachable,  // could not be resolved or connected to
    kCutOff,       // the connection ended, or the body was garbled, before the answer was whole
    kTls,          // the certificate was not accepted
    kTooLarge,     // the body passed max_response_bytes
    kForbidden,    // the address is not allowed (allow_private_networks, allow_insecure_http)
  };
  Failure failure = Failure::kNone;
  std::string failure_text;  // our own words: curl's differ between versions
  long status = 0;
  std::vector<Header> headers;  // names in lower case
  std::string body;             // decompressed; followed by kPadding spare bytes of capacity
  std::string received;         // the body as it came, when it was compressed (gzip)
  int64_t bytes_received = 0;   // on the wire

  static constexpr size_t kPadding = 64;  // for simdjson
  /// The value of a header, by its name in lower case; empty when absent.
  std::string_view header(std::string_view name) const;
};

/// Scheme, host and port of an absolute http or https url in one spelling ("https://acme.com:443");
/// empty when it is none, or when it carries a user or password. Read as the pool reads it.
std::string origin_of(std::string_view url);
/// An HTTP date ("Tue, 15 Nov 1994 08:12:31 GMT") in milliseconds since 1970; 0 when it is none.
int64_t http_date_ms(std::string_view date);

struct PoolLimits {
  int64_t connect_timeout_ms = 10'000;
  int64_t request_timeout_ms = 120'000;
  int64_t max_response_bytes = 256 << 20;
  bool allow_private_networks = false;
  bool allow_insecure_http = false;
  std::string ca_bundle;  // empty: the system's
};

class Pool {
 public:
  using Transfer = uint64_t;  // never 0, never used again

  explicit Pool(PoolLimits limits);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  /// Becomes readable when pump() has something to do.
  int fd() const;
  /// Begins a request whose url is absolute.
  Transfer start(const Request &request);
  /// Forgets a transfer, finished or not.
  void cancel(Transfer transfer);
  /// Moves all transfers on as far as they go without waiting.
  void pump();
  /// Moves the result of a finished transfer out and forgets it; false while it is under way.
  bool take(Transfer transfer, Response *response);
  /// Takes effect for transfers started from now on.
  void set_limits(PoolLimits limits);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace supaglue
