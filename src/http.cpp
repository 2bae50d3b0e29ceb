// pure: the pool of HTTP transfers over libcurl's multi interface. See http.hpp.
#include "http.hpp"

#include <curl/curl.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "address.hpp"
#include "error.hpp"
#include "gunzip.hpp"
#include "signal_block.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

// Bytes as they arrive. Not a std::string, because curl's callbacks must not throw.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  bool append(const char *bytes, size_t count) noexcept {
    if (count == 0) return true;
    if (size_ + count > capacity_) {
      size_t capacity = std::max({size_ + count, capacity_ * 2, size_t{16384}});
      void *grown = std::realloc(data_, capacity);
      if (grown == nullptr) return false;
      data_ = static_cast<char *>(grown);
      capacity_ = capacity;
    }
    std::memcpy(data_ + size_, bytes, count);
    size_ += count;
    return true;
  }
  void clear() noexcept { size_ = 0; }
  size_t size() const { return size_; }
  std::string_view view() const { return {data_, size_}; }

 private:
  char *data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

struct Url {
  explicit Url(std::string_view text) : handle(curl_url()) {
    good = handle != nullptr &&
           curl_url_set(handle, CURLUPART_URL, std::string(text).c_str(), 0) == CURLUE_OK;
  }
  ~Url() { curl_url_cleanup(handle); }
  Url(const Url &) = delete;
  Url &operator=(const Url &) = delete;

  std::string part(CURLUPart which, unsigned flags = 0) const {
    char *text = nullptr;
    if (!good || curl_url_get(handle, which, &text, flags) != CURLUE_OK) return {};
    std::string result = text;
    curl_free(text);
    return result;
  }

  CURLU *handle;
  bool good;
};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char &c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string seconds(int64_t milliseconds) {
  if (milliseconds < 1000) return std::to_string(milliseconds) + " ms";
  return std::to_string(milliseconds / 1000) + " s";
}

// One request and what has come of it so far.
struct Exchange {
  Exchange(const Request &request_in, const PoolLimits &limits_in)
      : request(request_in), limits(limits_in) {
    Url url(request.url);
    host = url.part(CURLUPART_HOST);
    scheme = lower(url.part(CURLUPART_SCHEME));
  }
  ~Exchange() { curl_slist_free_all(headers); }
  Exchange(const Exchange &) = delete;
  Exchange &operator=(const Exchange &) = delete;

  Request request;
  PoolLimits limits;
  std::string host;
  std::string scheme;
  CURL *easy = nullptr;  // null: not under way
  curl_slist *headers = nullptr;
  Buffer head;
  Buffer body;  // as it comes
  enum class Encoding { kPlain, kGzip, kUnknown } encoding = Encoding::kPlain;
  bool head_whole = false;
  bool garbled = false;
  bool forbidden = false;
  bool too_large = false;
  bool done = false;
  Response response;

  void fail(Response::Failure failure, std::string text) {
    response.failure = failure;
    response.failure_text = std::move(text);
    done = true;
  }
};

constexpr size_t kMaxHeadBytes = 1 << 20;

size_t on_body(char *bytes, size_t size, size_t count, void *arg) noexcept {
  auto *exchange = static_cast<Exchange *>(arg);
  count *= size;
  exchange->too_large =
      exchange->body.size() + count > static_cast<size_t>(exchange->limits.max_response_bytes);
  if (exchange->too_large) return 0;
  const bool good =
      exchange->encoding != Exchange::Encoding::kUnknown && exchange->body.append(bytes, count);
  exchange->garbled = !good;
  return good ? count : 0;
}

Exchange::Encoding encoding_of(std::string_view line) noexcept {
  constexpr std::string_view kName = "content-encoding:";
  line.remove_prefix(kName.size());
  while (!line.empty() && std::strchr(" \t\r\n", line.front())) line.remove_prefix(1);
  while (!line.empty() && std::strchr(" \t\r\n", line.back())) line.remove_suffix(1);
  auto is = [&](const char *name) {
    return line.size() == std::strlen(name) && strncasecmp(line.data(), name, line.size()) == 0;
  };
  if (is("gzip") || is("x-gzip")) return Exchange::Encoding::kGzip;
  return is("") || is("identity") ? Exchange::Encoding::kPlain : Exchange::Encoding::kUnknown;
}

size_t on_header(char *bytes, size_t size, size_t count, void *arg) noexcept {
  auto *exchange = static_cast<Exchange *>(arg);
  count *= size;
  std::string_view line(bytes, count);
  if (line.starts_with("HTTP/")) {  // an answer begins; what came before was interim
    exchange->head.clear();
    exchange->head_whole = false;
    exchange->encoding = Exchange::Encoding::kPlain;
  }
  if (line == "\r\n" || line == "\n") exchange->head_whole = true;
  if (count > 17 && strncasecmp(bytes, "content-encoding:", 17) == 0)
    exchange->encoding = encoding_of(line);
  exchange->too_large = exchange->head.size() + count > kMaxHeadBytes;
  return !exchange->too_large && exchange->head.append(bytes, count) ? count : 0;
}

curl_socket_t on_open_socket(void *arg, curlsocktype, curl_sockaddr *address) noexcept {
  auto *exchange = static_cast<Exchange *>(arg);
  if (!exchange->limits.allow_private_networks && is_private_address(&address->addr)) {
    exchange->forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// A connection that an earlier transfer opened under other limits passes no on_open_socket().
int on_connected(void *arg, char *ip, char *, int, int) noexcept {
  auto *exchange = static_cast<Exchange *>(arg);
  if (exchange->limits.allow_private_networks || !is_private_address(ip)) return CURL_PREREQFUNC_OK;
  exchange->forbidden = true;
  return CURL_PREREQFUNC_ABORT;
}

void check_headers(const Request &request) {
  constexpr std::string_view kBreaks("\r\n\0", 3);
  for (const Header &header : request.headers)
    if (header.name.find_first_of(kBreaks) != std::string::npos ||
        header.value.find_first_of(kBreaks) != std::string::npos)
      throw Error(ErrorClass::kInternal, "a request header contains a line break");
}

void set_headers(Exchange &exchange) {
  auto add = [&](const std::string &line) {
    curl_slist *longer = curl_slist_append(exchange.headers, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    exchange.headers = longer;
  };
  for (const Header &header : exchange.request.headers) {
    // Without a value curl would take the header away, were it not for the semicolon.
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  add("Expect:");  // no round trip before a body
  curl_easy_setopt(exchange.easy, CURLOPT_HTTPHEADER, exchange.headers);
}

void set_method(Exchange &exchange) {
  CURL *easy = exchange.easy;
  const Request &request = exchange.request;
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST" || !request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST")
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  else if (request.method == "GET" && !request.body.empty())
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "GET");
}

void set_options(Exchange &exchange) {
  CURL *easy = exchange.easy;
  const PoolLimits &limits = exchange.limits;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &exchange);
  curl_easy_setopt(easy, CURLOPT_URL, exchange.request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                   limits.allow_insecure_http ? "https,http" : "https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // a redirect is an answer
  curl_easy_setopt(easy, CURLOPT_PROXY, "");           // none from the environment
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);  // gunzip() does it
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "supaglue");
  if (!limits.ca_bundle.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, limits.ca_bundle.c_str());
  // No low speed limit: a provider may think for as long as the request's own timeout.
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.request_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &exchange);
  set_method(exchange);
  set_headers(exchange);
}

// The failure in our own words: the host, never the query string.
void set_failure(Exchange &exchange, CURLcode code) {
  using Failure = Response::Failure;
  const std::string &host = exchange.host;
  const PoolLimits &limits = exchange.limits;
  if (exchange.too_large)
    return exchange.fail(Failure::kTooLarge, "the answer of " + host + " is larger than " +
                                                 std::to_string(limits.max_response_bytes) +
                                                 " bytes (supaglue.max_response_bytes)");
  if (exchange.forbidden)
    return exchange.fail(Failure::kForbidden,
                         host + " has a private address (supaglue.allow_private_networks)");
  if (exchange.garbled)
    return exchange.fail(Failure::kCutOff, "the answer of " + host + " was garbled");
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: {
      curl_off_t connected = 0;
      curl_easy_getinfo(exchange.easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
      return exchange.fail(
          Failure::kTimeout,
          connected > 0
              ? host + " did not answer within " + seconds(limits.request_timeout_ms)
              : host + " could not be connected to within " +
                    seconds(std::min(limits.connect_timeout_ms, limits.request_timeout_ms)));
    }
    case CURLE_COULDNT_RESOLVE_HOST:
      return exchange.fail(Failure::kUnreachable, host + " could not be resolved");
    case CURLE_COULDNT_CONNECT:
      return exchange.fail(Failure::kUnreachable, host + " could not be connected to");
    case CURLE_URL_MALFORMAT:
      return exchange.fail(Failure::kUnreachable, "the address is not a url");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return exchange.fail(Failure::kTls, "the certificate of " + host + " was not accepted");
    case CURLE_SSL_CACERT_BADFILE:
      return exchange.fail(Failure::kTls, "the trusted certificates could not be read");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
      return exchange.fail(Failure::kTls, "the TLS handshake with " + host + " failed");
    default:
      return exchange.fail(Failure::kCutOff,
                           "the connection to " + host + " ended before the answer was whole");
  }
}

void set_headers_of_answer(Exchange &exchange) {
  std::string_view head = exchange.head.view();
  auto trim = [](std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return std::string_view();
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  };
  while (!head.empty()) {
    size_t end = std::min(head.find('\n'), head.size() - 1);
    std::string_view line = head.substr(0, end + 1);
    head.remove_prefix(end + 1);
    size_t colon = line.find(':');
    if (line.starts_with("HTTP/") || colon == std::string_view::npos) continue;
    exchange.response.headers.push_back(
        {lower(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1)))});
  }
}

// False when what came is not the whole of it.
bool set_body(Exchange &exchange) {
  std::string &body = exchange.response.body;
  if (exchange.encoding == Exchange::Encoding::kGzip) {
    const auto most = static_cast<size_t>(exchange.limits.max_response_bytes);
    const Gunzipped result = gunzip(exchange.body.view(), most, Response::kPadding, &body);
    exchange.too_large = result == Gunzipped::kTooLarge;
    exchange.garbled = result == Gunzipped::kGarbled;
    if (result != Gunzipped::kWhole)
      body = std::string();
    else if (exchange.request.keeps_received)
      exchange.response.received = exchange.body.view();
    return result == Gunzipped::kWhole;
  }
  body.reserve(exchange.body.size() + Response::kPadding);
  body.assign(exchange.body.view());
  return true;
}

void finish(Exchange &exchange, CURLcode code) {
  Response &response = exchange.response;
  curl_off_t body_bytes = 0;
  long head_bytes = 0;
  curl_easy_getinfo(exchange.easy, CURLINFO_SIZE_DOWNLOAD_T, &body_bytes);
  curl_easy_getinfo(exchange.easy, CURLINFO_HEADER_SIZE, &head_bytes);
  response.bytes_received = body_bytes + head_bytes;
  // Curl takes a connection that ends amid the headers for an answer without a body.
  if (code == CURLE_OK && !exchange.head_whole) code = CURLE_PARTIAL_FILE;
  if (code == CURLE_OK && !set_body(exchange)) code = CURLE_PARTIAL_FILE;
  if (code != CURLE_OK) return set_failure(exchange, code);
  curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &response.status);
  set_headers_of_answer(exchange);
  exchange.done = true;
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
  for (const Header &header : headers)
    if (header.name == name) return header.value;
  return {};
}

std::string origin_of(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return {};
  Url url(text);
  std::string scheme = lower(url.part(CURLUPART_SCHEME));
  std::string host = lower(url.part(CURLUPART_HOST));
  std::string port = url.part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if ((scheme != "https" && scheme != "http") || host.empty()) return {};
  if (!url.part(CURLUPART_USER).empty() || !url.part(CURLUPART_PASSWORD).empty()) return {};
  return scheme + "://" + host + ":" + port;
}

int64_t http_date_ms(std::string_view date) {
  if (date.find(' ') == std::string_view::npos) return 0;  // curl takes a bare number for a date
  time_t seconds_since_1970 = curl_getdate(std::string(date).c_str(), nullptr);
  return seconds_since_1970 < 0 ? 0 : int64_t{seconds_since_1970} * 1000;
}

struct Pool::State {
  ~State() {
    SignalBlock block;
    for (auto &[transfer, exchange] : exchanges) {
      if (exchange->easy == nullptr) continue;
      curl_multi_remove_handle(multi, exchange->easy);
      curl_easy_cleanup(exchange->easy);
    }
    for (CURL *easy : idle) curl_easy_cleanup(easy);
    if (multi != nullptr) curl_multi_cleanup(multi);
    if (timer_fd >= 0) close(timer_fd);
    if (epoll_fd >= 0) close(epoll_fd);
  }

  static int on_socket(CURL *, curl_socket_t socket, int what, void *arg, void *) noexcept;
  static int on_timer(CURLM *, long timeout_ms, void *arg) noexcept;
  void release(Exchange &exchange);
  void reap();

  PoolLimits limits;
  CURLM *multi = nullptr;
  int epoll_fd = -1;
  int timer_fd = -1;
  Transfer last = 0;
  std::unordered_map<Transfer, std::unique_ptr<Exchange>> exchanges;
  std::vector<CURL *> idle;  // handles to use again
};

int Pool::State::on_socket(CURL *, curl_socket_t socket, int what, void *arg, void *) noexcept {
  auto *state = static_cast<State *>(arg);
  epoll_event event{};
  event.data.fd = socket;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(state->epoll_fd, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  if (epoll_ctl(state->epoll_fd, EPOLL_CTL_MOD, socket, &event) == 0) return 0;
  return epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, socket, &event);
}

int Pool::State::on_timer(CURLM *, long timeout_ms, void *arg) noexcept {
  itimerspec when{};  // zero disarms
  if (timeout_ms > 0) {
    when.it_value.tv_sec = timeout_ms / 1000;
    when.it_value.tv_nsec = timeout_ms % 1000 * 1'000'000;
  } else if (timeout_ms == 0) {
    when.it_value.tv_nsec = 1;
  }
  return timerfd_settime(static_cast<State *>(arg)->timer_fd, 0, &when, nullptr);
}

// Takes an exchange's handle back.
void Pool::State::release(Exchange &exchange) {
  constexpr size_t kMaxIdle = 64;
  if (exchange.easy == nullptr) return;
  curl_multi_remove_handle(multi, exchange.easy);
  curl_easy_reset(exchange.easy);
  if (idle.size() < kMaxIdle)
    idle.push_back(exchange.easy);
  else
    curl_easy_cleanup(exchange.easy);
  exchange.easy = nullptr;
}

void Pool::State::reap() {
  int left = 0;
  while (CURLMsg *message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;  // the message goes away with the handle
    Exchange *exchange = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
    finish(*exchange, code);
    release(*exchange);
  }
}

Pool::Pool(PoolLimits limits) : state_(std::make_unique<State>()) {
  // Once per process, and never before it forked: OpenSSL's state must not cross a fork.
  static const CURLcode initialized = [] {
    SignalBlock block;
    return curl_global_init(CURL_GLOBAL_DEFAULT);
  }();
  state_->limits = std::move(limits);
  state_->multi = initialized == CURLE_OK ? curl_multi_init() : nullptr;
  state_->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  state_->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = state_->timer_fd;
  if (state_->multi == nullptr || state_->epoll_fd < 0 || state_->timer_fd < 0 ||
      epoll_ctl(state_->epoll_fd, EPOLL_CTL_ADD, state_->timer_fd, &event) != 0)
    throw Error(ErrorClass::kInternal, "cannot set up the pool of http transfers");
  curl_multi_setopt(state_->multi, CURLMOPT_SOCKETFUNCTION, State::on_socket);
  curl_multi_setopt(state_->multi, CURLMOPT_SOCKETDATA, state_.get());
  curl_multi_setopt(state_->multi, CURLMOPT_TIMERFUNCTION, State::on_timer);
  curl_multi_setopt(state_->multi, CURLMOPT_TIMERDATA, state_.get());
}

Pool::~Pool() = default;

int Pool::fd() const { return state_->epoll_fd; }

Pool::Transfer Pool::start(const Request &request) {
  check_headers(request);  // before there is anything to undo
  Transfer transfer = ++state_->last;
  auto &exchange =
      *(state_->exchanges[transfer] = std::make_unique<Exchange>(request, state_->limits));
  auto refuse = [&](std::string text) {
    exchange.fail(Response::Failure::kForbidden, std::move(text));
    State::on_timer(state_->multi, 0, state_.get());  // whoever waits must look
    return transfer;
  };
  if (exchange.scheme == "http" && !exchange.limits.allow_insecure_http)
    return refuse("plain http is not allowed (supaglue.allow_insecure_http)");
  if (exchange.scheme != "http" && exchange.scheme != "https")
    return refuse("the address is not an https url");

  SignalBlock block;
  if (state_->idle.empty()) {
    exchange.easy = curl_easy_init();
  } else {
    exchange.easy = state_->idle.back();
    state_->idle.pop_back();
  }
  if (exchange.easy == nullptr) throw std::bad_alloc();
  set_options(exchange);
  if (curl_multi_add_handle(state_->multi, exchange.easy) != CURLM_OK)
    throw Error(ErrorClass::kInternal, "cannot start an http transfer");
  return transfer;
}

void Pool::cancel(Transfer transfer) {
  auto found = state_->exchanges.find(transfer);
  if (found == state_->exchanges.end()) return;
  SignalBlock block;
  state_->release(*found->second);
  state_->exchanges.erase(found);
}

void Pool::pump() {
  SignalBlock block;
  epoll_event events[64];
  int running = 0;
  // One round: what is left keeps the descriptor readable.
  int count = epoll_wait(state_->epoll_fd, events, std::size(events), 0);
  for (int i = 0; i < count; i++) {
    if (events[i].data.fd == state_->timer_fd) {
      uint64_t expirations;
      if (read(state_->timer_fd, &expirations, sizeof expirations) > 0)
        curl_multi_socket_action(state_->multi, CURL_SOCKET_TIMEOUT, 0, &running);
      continue;
    }
    int what = 0;
    if (events[i].events & EPOLLIN) what |= CURL_CSELECT_IN;
    if (events[i].events & EPOLLOUT) what |= CURL_CSELECT_OUT;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(state_->multi, events[i].data.fd, what, &running);
  }
  state_->reap();
}

bool Pool::take(Transfer transfer, Response *response) {
  auto found = state_->exchanges.find(transfer);
  if (found == state_->exchanges.end() || !found->second->done) return false;
  *response = std::move(found->second->response);
  state_->exchanges.erase(found);
  return true;
}

void Pool::set_limits(PoolLimits limits) { state_->limits = std::move(limits); }

}  // namespace supaglue
