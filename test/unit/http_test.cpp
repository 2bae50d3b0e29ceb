// Tests of the pool, against a server of raw bytes on the loopback.
#include "http.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>

#include "error.hpp"
#include "raw_server.hpp"

namespace supaglue {
namespace {

using testing::answer;
using testing::exchange;
using testing::get;
using testing::loopback_limits;
using testing::pump_until;
using testing::RawServer;
using testing::Reply;
using Failure = Response::Failure;

// gzip of 1000 times "supaglue " (9000 bytes).
std::string gzipped();

TEST(Pool, DeliversStatusHeadersAndBody) {
  RawServer server([](const std::string &) {
    return answer(200, "{\"a\":1}", "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nX-Twice:  b \r\n");
  });
  Pool pool(loopback_limits());
  Response response = get(pool, server.origin() + "/path?q=1");
  EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\"a\":1}");
  EXPECT_EQ(response.header("date"), "Tue, 15 Nov 1994 08:12:31 GMT");
  EXPECT_EQ(response.header("x-twice"), "b");
  EXPECT_EQ(response.header("absent"), "");
  EXPECT_GE(response.body.capacity(), response.body.size() + Response::kPadding);
  EXPECT_GT(response.bytes_received, 7);
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(server.requests()[0].starts_with("GET /path?q=1 HTTP/1.1\r\n"));
  EXPECT_NE(server.requests()[0].find("Accept-Encoding: "), std::string::npos);
}

TEST(Pool, SendsMethodsHeadersAndBodies) {
  RawServer server([](const std::string &) { return answer(201, ""); });
  Pool pool(loopback_limits());
  for (const char *method : {"POST", "PUT", "PATCH", "DELETE"}) {
    Request request;
    request.method = method;
    request.url = server.origin() + "/m";
    request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    request.body = std::string("{\"m\":\0}", 7);
    EXPECT_EQ(exchange(pool, request).status, 201);
    std::string sent = server.requests().back();
    EXPECT_TRUE(sent.starts_with(std::string(method) + " /m HTTP/1.1\r\n")) << sent;
    EXPECT_NE(sent.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_NE(sent.find("X-Empty:\r\n"), std::string::npos);
    EXPECT_EQ(sent.find("Expect:"), std::string::npos);
    EXPECT_TRUE(sent.ends_with(std::string("\r\n\r\n{\"m\":\0}", 11)));
  }
  // A handle that is used again carries nothing over.
  get(pool, server.origin() + "/g");
  EXPECT_TRUE(server.requests().back().starts_with("GET /g HTTP/1.1\r\n"));
  EXPECT_EQ(server.requests().back().find("Content-"), std::string::npos);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Pool, RefusesHeadersWithLineBreaks) {
  Pool pool(loopback_limits());
  Request request;
  request.url = "http://127.0.0.1:1/";
  request.headers = {{"Authorization", "Bearer a\r\nX: y"}};
  EXPECT_THROW(pool.start(request), Error);
}

TEST(Pool, RedirectsAreAnswers) {
  RawServer server(
      [](const std::string &) { return answer(302, "", "Location: http://127.0.0.1:1/\r\n"); });
  Pool pool(loopback_limits());
  Response response = get(pool, server.origin());
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.header("location"), "http://127.0.0.1:1/");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Pool, DecompressesAndCountsWireBytes) {
  RawServer server(
      [](const std::string &) { return answer(200, gzipped(), "Content-Encoding: gzip\r\n"); });
  Pool pool(loopback_limits());
  Response response = get(pool, server.origin());
  ASSERT_EQ(response.failure, Failure::kNone) << response.failure_text;
  EXPECT_EQ(response.body.size(), 9000u);
  EXPECT_TRUE(response.body.starts_with("supaglue supaglue "));
  EXPECT_LT(response.bytes_received, 300);
  EXPECT_GT(response.bytes_received, static_cast<int64_t>(gzipped().size()));
}

TEST(Pool, AnAnswerThatIsNotWholeIsCutOff) {
  std::map<std::string, Reply> replies = {
      {"/short", {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", true}},
      {"/chunked", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", true}},
      {"/nothing", {"", true}},
      {"/head", {"HTTP/1.1 200 OK\r\nContent-", true}},
      {"/garbage", answer(200, "this is no gzip at all", "Content-Encoding: gzip\r\n")},
      {"/half", answer(200, gzipped().substr(0, 30), "Content-Encoding: gzip\r\n")},
  };
  RawServer server([&](const std::string &request) {
    return replies.at(request.substr(4, request.find('?') - 4));
  });
  Pool pool(loopback_limits());
  for (const auto &[path, reply] : replies) {
    Response response = get(pool, server.origin() + path + "?secret=1");
    EXPECT_EQ(response.failure, Failure::kCutOff) << path << ": " << response.failure_text;
    EXPECT_EQ(response.failure_text.find("secret"), std::string::npos);
  }
}

TEST(Pool, TakesGzipInSeveralMembersAndNoOtherEncoding) {
  RawServer server([&](const std::string &request) {
    if (request.starts_with("GET /twice "))
      return answer(200, gzipped() + gzipped(), "content-encoding: x-gzip\r\n");
    return answer(200, "abc", "Content-Encoding: br\r\n");
  });
  Pool pool(loopback_limits());
  EXPECT_EQ(get(pool, server.origin() + "/twice").body.size(), 18000u);
  Response response = get(pool, server.origin() + "/br");
  EXPECT_EQ(response.failure, Failure::kCutOff);
  EXPECT_EQ(response.failure_text, "the answer of 127.0.0.1 was garbled");
}

TEST(Pool, TimesOut) {
  RawServer server([](const std::string &) { return Reply{"HTTP/1.1 200 OK\r\n"}; });
  PoolLimits limits = loopback_limits();
  limits.request_timeout_ms = 100;
  Pool pool(limits);
  Response response = get(pool, server.origin());
  EXPECT_EQ(response.failure, Failure::kTimeout);
  EXPECT_EQ(response.failure_text, "127.0.0.1 did not answer within 100 ms");
}

TEST(Pool, NamesWhatCannotBeReached) {
  Pool pool(loopback_limits());
  std::string origin;
  {
    RawServer closed([](const std::string &) { return Reply(); });
    origin = closed.origin();
  }
  Response refused = get(pool, origin);
  EXPECT_EQ(refused.failure, Failure::kUnreachable);
  EXPECT_EQ(refused.failure_text, "127.0.0.1 could not be connected to");
  Response unknown = get(pool, "https://does-not-exist.invalid/x");
  EXPECT_EQ(unknown.failure, Failure::kUnreachable);
  EXPECT_EQ(unknown.failure_text, "does-not-exist.invalid could not be resolved");
}

TEST(Pool, RefusesWhatSpeaksNoTls) {
  RawServer server([](const std::string &) { return Reply{"no tls here\r\n\r\n", true}; });
  Pool pool(loopback_limits());
  Response response = get(pool, "https" + server.origin().substr(4));
  EXPECT_EQ(response.failure, Failure::kTls);
  EXPECT_EQ(response.failure_text, "the TLS handshake with 127.0.0.1 failed");
}

TEST(Pool, LimitsTheSizeOfABody) {
  RawServer server(
      [](const std::string &) { return answer(200, gzipped(), "Content-Encoding: gzip\r\n"); });
  PoolLimits limits = loopback_limits();
  limits.max_response_bytes = 9000;
  Pool pool(limits);
  EXPECT_EQ(get(pool, server.origin()).failure, Failure::kNone);
  limits.max_response_bytes = 8999;
  pool.set_limits(limits);
  Response response = get(pool, server.origin());
  EXPECT_EQ(response.failure, Failure::kTooLarge);
  EXPECT_EQ(response.failure_text,
            "the answer of 127.0.0.1 is larger than 8999 bytes (supaglue.max_response_bytes)");
  EXPECT_TRUE(response.body.empty());
}

TEST(Pool, RefusesPlainHttpAndOtherSchemes) {
  PoolLimits limits = loopback_limits();
  limits.allow_insecure_http = false;
  Pool pool(limits);
  Response response = get(pool, "http://127.0.0.1:1/");
  EXPECT_EQ(response.failure, Failure::kForbidden);
  EXPECT_EQ(response.failure_text, "plain http is not allowed (supaglue.allow_insecure_http)");
  for (const char *url : {"file:///etc/passwd", "ftp://127.0.0.1/", "nonsense", ""})
    EXPECT_EQ(get(pool, url).failure, Failure::kForbidden) << url;
}

TEST(Pool, RefusesPrivateAddresses) {
  PoolLimits limits = loopback_limits();
  limits.allow_private_networks = false;
  Pool pool(limits);
  for (const char *host : {"127.0.0.1", "localhost", "10.1.2.3", "172.31.0.1", "192.168.0.1",
                           "169.254.169.254", "100.64.0.1", "0.0.0.0", "168.63.129.16", "224.0.0.1",
                           "2130706433", "[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]",
                           "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::1]"}) {
    Response response = get(pool, std::string("http://") + host + ":9/?q=secret");
    EXPECT_EQ(response.failure, Failure::kForbidden) << host << ": " << response.failure_text;
    EXPECT_NE(response.failure_text.find("(supaglue.allow_private_networks)"), std::string::npos);
    EXPECT_EQ(response.failure_text.find("secret"), std::string::npos);
  }
}

TEST(Pool, AConnectionOpenedUnderOtherLimitsIsNoWayIn) {
  RawServer server([](const std::string &) { return answer(200, "ok"); });
  Pool pool(loopback_limits());
  EXPECT_EQ(get(pool, server.origin()).status, 200);
  PoolLimits limits = loopback_limits();
  limits.allow_private_networks = false;
  pool.set_limits(limits);
  EXPECT_EQ(get(pool, server.origin()).failure, Failure::kForbidden);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Pool, TakesNoProxyFromTheEnvironment) {
  RawServer server([](const std::string &) { return answer(200, "ok"); });
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  Pool pool(loopback_limits());
  EXPECT_EQ(get(pool, server.origin()).status, 200);
  unsetenv("http_proxy");
}

TEST(Pool, CarriesManyAtOnce) {
  RawServer server([](const std::string &request) {
    return answer(200, request.substr(4, request.find(' ', 4) - 4));
  });
  Pool pool(loopback_limits());
  std::map<Pool::Transfer, std::string> waiting;
  for (int i = 0; i < 200; i++) {
    Request request;
    request.url = server.origin() + "/" + std::to_string(i);
    waiting[pool.start(request)] = "/" + std::to_string(i);
  }
  ASSERT_EQ(waiting.size(), 200u);
  EXPECT_TRUE(pump_until(pool, [&] {
    for (auto it = waiting.begin(); it != waiting.end();) {
      Response response;
      if (!pool.take(it->first, &response)) {
        ++it;
        continue;
      }
      EXPECT_EQ(response.body, it->second) << response.failure_text;
      it = waiting.erase(it);
    }
    return waiting.empty();
  }));
}

TEST(Pool, CancelForgets) {
  RawServer server([](const std::string &) { return Reply(); });  // silent
  Pool pool(loopback_limits());
  Request request;
  request.url = server.origin();
  Pool::Transfer first = pool.start(request);
  ASSERT_TRUE(pump_until(pool, [&] { return !server.requests().empty(); }));
  pool.cancel(first);
  Response response;
  EXPECT_FALSE(pool.take(first, &response));
  pool.cancel(first);
  pool.start(request);  // what is left under way ends with the pool
}

TEST(Pool, IsReadableOnlyWhenThereIsSomethingToDo) {
  RawServer server([](const std::string &) { return answer(200, "ok"); });
  Pool pool(loopback_limits());
  pollfd waited{pool.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&waited, 1, 0), 0);
  Request request;
  request.url = server.origin();
  Pool::Transfer transfer = pool.start(request);
  EXPECT_EQ(poll(&waited, 1, 5000), 1);
  Response response;
  ASSERT_TRUE(pump_until(pool, [&] { return pool.take(transfer, &response); }));
  // A connection that is kept is silent. What timers are left have nothing to do, once.
  for (int i = 0; i < 10 && poll(&waited, 1, 0) > 0; i++) pool.pump();
  EXPECT_EQ(poll(&waited, 1, 0), 0);
  // A request that is refused at once is something to look at, too.
  request.url = "nonsense";
  pool.start(request);
  EXPECT_EQ(poll(&waited, 1, 5000), 1);
}

TEST(Pool, LeavesTheSignalMaskAlone) {
  RawServer server([](const std::string &) { return answer(200, "ok"); });
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    Pool pool(loopback_limits());
    get(pool, server.origin());
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal < NSIG; signal++)
    EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal));
}

TEST(Origin, HasOneSpelling) {
  EXPECT_EQ(origin_of("https://ACME.my.salesforce.com/a?b"), "https://acme.my.salesforce.com:443");
  EXPECT_EQ(origin_of("HTTP://h:8080"), "http://h:8080");
  for (const char *url : {"", "/path", "ftp://h/", "https://", "https://u:p@h/", "https://u@h/"})
    EXPECT_EQ(origin_of(url), "") << url;
}

TEST(HttpDate, IsRead) {
  EXPECT_EQ(http_date_ms("Tue, 15 Nov 1994 08:12:31 GMT"), 784887151000);
  EXPECT_EQ(http_date_ms("Tuesday, 15-Nov-94 08:12:31 GMT"), 784887151000);
  for (const char *text : {"", "20240101", "soon enough", "not a date"})
    EXPECT_EQ(http_date_ms(text), 0) << text;
}

std::string gzipped() {
  static constexpr unsigned char kBytes[] = {
      0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc6, 0xb1,
      0x09, 0x00, 0x30, 0x08, 0x00, 0xb0, 0x57, 0x7c, 0xad, 0x83, 0xb8, 0x38, 0x14,
      0xc4, 0xff, 0xfb, 0x47, 0x49, 0xa6, 0xcc, 0xde, 0x53, 0xbd, 0x19, 0x23, 0x22,
      0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
      0x22, 0x22, 0xf2, 0x6f, 0x1e, 0x7e, 0x27, 0x42, 0xc9, 0x28, 0x23, 0x00, 0x00,
  };
  return std::string(reinterpret_cast<const char *>(kBytes), sizeof kBytes);
}

}  // namespace
}  // namespace supaglue
