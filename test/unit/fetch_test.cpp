// Tests of a fetch: a source that is made up, against a server of raw bytes.
#include "fetch.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "call.hpp"
#include "helper.hpp"
#include "raw_server.hpp"

namespace supaglue {
namespace {

using testing::answer;
using testing::loopback_limits;
using testing::pump_until;
using testing::RawServer;
using testing::Reply;
using State = Fetch::State;

/// What sources that are made up have in common: they count their steps, and nothing else.
class MadeUp : public Source {
 public:
  bool recover(const Error &) override { return false; }
  Json plan() const override { return nullptr; }
  Json cursor() const override { return {{"at", at_}}; }
  Json metadata() const override { return nothing_; }
  std::string describe_request() const override { return "made up"; }

 protected:
  explicit MadeUp(int first) : at_(first) {}
  static Accepted page_of(const Response &response) {
    Accepted accepted;
    accepted.is_page = true;
    accepted.page.storage = response.body;
    accepted.page.records.push_back({"id", "", "{}", false});
    return accepted;
  }
  int at_;

 private:
  const Json nothing_ = nullptr;
};

/// Reads "/0", which is metadata, and then a page of one record each from "/1" to "/<last>".
class Countdown : public MadeUp {
 public:
  explicit Countdown(int last) : MadeUp(0), last_(last) {}
  Want next() const override {
    if (at_ > last_) return Done{};
    Request request;
    request.url = "/" + std::to_string(at_) + suffix_;
    return request;
  }
  Accepted accept(const Response &response) override {
    if (response.body == "odd") throw Error(ErrorClass::kData, "an odd answer");
    return at_++ > 0 ? page_of(response) : Accepted();
  }
  bool recover(const Error &error) override {
    if (error.error_class != ErrorClass::kFieldGone || !suffix_.empty()) return false;
    suffix_ = "?recovered";
    return true;
  }

 private:
  int last_;
  std::string suffix_;
};

/// A provider whose answers are scripted: what is queued comes first, then 200 with the path.
class FetchTest : public ::testing::Test {
 protected:
  FetchTest()
      : server_([this](const std::string &request) { return reply(request); }),
        pool_(loopback_limits()) {
    auto connector = std::make_shared<Connector>();
    connector->name = "made_up";
    connector->errors = {{400, {}, "", ErrorRule::Action::kFail, ErrorClass::kFieldGone}};
    connector_ = connector;
  }

  Reply reply(const std::string &request) {
    std::lock_guard lock(mutex_);
    if (replies_.empty()) return answer(200, request.substr(4, request.find(' ', 4) - 4), headers_);
    Reply first = replies_.front();
    replies_.erase(replies_.begin());
    return first;
  }
  Access access(int64_t generation) const {
    return {server_.origin(), "token" + std::to_string(generation), generation};
  }
  std::unique_ptr<Fetch> fetch(int last) {
    return std::make_unique<Fetch>(pool_, connector_, std::make_unique<Countdown>(last));
  }
  /// Moves on until the fetch wants something of its driver; waits are skipped, and counted.
  State run(Fetch &fetch) {
    EXPECT_TRUE(pump_until(pool_, [&] {
      if (fetch.advance(now_, 0.5) != State::kBusy) return true;
      if (fetch.wake_at_ms() > now_) {
        waits_++;
        waited_ms_ += fetch.wake_at_ms() - now_;
        now_ = fetch.wake_at_ms();
        return fetch.advance(now_, 0.5) != State::kBusy;
      }
      return false;
    }));
    return fetch.state();
  }

  std::mutex mutex_;
  std::vector<Reply> replies_;
  std::string headers_;
  RawServer server_;
  Pool pool_;
  std::shared_ptr<const Connector> connector_;
  int64_t now_ = 1'700'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
  int waits_ = 0;
  int64_t waited_ms_ = 0;
};

TEST_F(FetchTest, ReadsPageAfterPage) {
  auto reading = fetch(2);
  EXPECT_EQ(reading->advance(now_, 0.5), State::kNeedsToken);
  reading->give_access(access(0));
  for (const char *expected : {"/1", "/2"}) {
    ASSERT_EQ(run(*reading), State::kPage);
    EXPECT_EQ(run(*reading), State::kPage);  // until it is taken
    Page page = reading->take_page();
    EXPECT_EQ(page.storage, expected);
    EXPECT_EQ(page.records.size(), 1u);
  }
  EXPECT_EQ(reading->source().cursor().dump(), "{\"at\":3}");
  EXPECT_EQ(run(*reading), State::kDone);
  EXPECT_EQ(run(*reading), State::kDone);
  EXPECT_EQ(reading->counters().requests, 3);
  EXPECT_EQ(reading->counters().records, 2);
  EXPECT_GT(reading->counters().bytes_received, 3);
  EXPECT_NE(server_.requests()[0].find("Authorization: Bearer token0\r\n"), std::string::npos);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(FetchTest, RefreshesOnceAndReplays) {
  replies_ = {answer(401, "")};
  auto reading = fetch(1);
  reading->give_access(access(3));
  ASSERT_EQ(run(*reading), State::kNeedsToken);
  reading->give_access(access(3));  // the same again is no answer
  EXPECT_EQ(run(*reading), State::kNeedsToken);
  EXPECT_EQ(reading->access().generation, 3);
  reading->give_access(access(4));
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->counters().requests, 3);
  EXPECT_NE(server_.requests()[1].find("Bearer token4\r\n"), std::string::npos);
}

TEST_F(FetchTest, AsksForATokenBeforeTheOldOneExpires) {
  auto reading = fetch(2);
  Access given = access(1);
  given.good_until_ms = now_ + 1000;
  reading->give_access(given);
  ASSERT_EQ(run(*reading), State::kPage);
  reading->take_page();
  now_ += 1001;
  EXPECT_EQ(run(*reading), State::kNeedsToken);
  EXPECT_EQ(server_.requests().size(), 2u);
  // One that is new is sent, however little it is good for.
  given = access(2);
  given.good_until_ms = now_ - 1;
  reading->give_access(given);
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->take_page().storage, "/2");
}

TEST_F(FetchTest, FailsWhenAFreshTokenIsRefused) {
  replies_ = {answer(401, ""), answer(401, "no")};
  auto reading = fetch(1);
  reading->give_access(access(1));
  ASSERT_EQ(run(*reading), State::kNeedsToken);
  reading->give_access(access(2));
  ASSERT_EQ(run(*reading), State::kFailed);
  EXPECT_EQ(reading->error().sqlstate, "28000");
  EXPECT_EQ(reading->error().detail, "The provider answered HTTP 401: no.");
}

TEST_F(FetchTest, EveryRequestMayRefresh) {
  replies_ = {answer(401, ""), answer(200, ""), answer(401, ""), answer(200, "page")};
  auto reading = fetch(1);
  reading->give_access(access(1));
  ASSERT_EQ(run(*reading), State::kNeedsToken);
  reading->give_access(access(2));
  ASSERT_EQ(run(*reading), State::kNeedsToken);
  reading->give_access(access(3));
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->take_page().storage, "page");
}

TEST_F(FetchTest, TriesAgainAfterAWait) {
  replies_ = {
      answer(503, ""), {"HTTP/1.1 200 OK\r\n", true}, answer(429, "", "Retry-After: 20\r\n")};
  auto reading = fetch(1);
  reading->give_access(access(1));
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(waits_, 3);
  EXPECT_EQ(waited_ms_, 250 + 500 + 21'000);
  EXPECT_EQ(reading->counters().requests, 5);
  EXPECT_EQ(reading->wake_at_ms(), 0);
}

TEST_F(FetchTest, GivesUpAfterFiveSends) {
  replies_ = std::vector<Reply>(10, answer(500, ""));
  auto reading = fetch(1);
  reading->give_access(access(1));
  ASSERT_EQ(run(*reading), State::kFailed);
  EXPECT_EQ(reading->error().sqlstate, "08006");
  EXPECT_EQ(reading->counters().requests, 5);
  EXPECT_EQ(run(*reading), State::kFailed);
  EXPECT_EQ(reading->counters().requests, 5);
}

TEST_F(FetchTest, TheSourceMayRecover) {
  replies_ = {answer(200, ""), answer(400, "")};
  auto reading = fetch(1);
  reading->give_access(access(1));
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->take_page().storage, "/1?recovered");
  replies_ = {answer(403, "")};
  auto other = fetch(1);
  other->give_access(access(1));
  ASSERT_EQ(run(*other), State::kFailed);
  EXPECT_EQ(other->error().sqlstate, "42501");
}

TEST_F(FetchTest, ASourceThatThrowsEndsIt) {
  replies_ = {answer(200, "odd")};
  auto reading = fetch(1);
  reading->give_access(access(1));
  EXPECT_THROW(run(*reading), Error);
  EXPECT_EQ(reading->state(), State::kFailed);
  EXPECT_EQ(reading->advance(now_, 0.5), State::kFailed);
}

TEST_F(FetchTest, TellsTheProvidersTimeOfTheFirstRequest) {
  headers_ = "Date: Tue, 14 Nov 2023 22:00:05 GMT\r\n";
  const int64_t date = 1'700'000'000'000 - (13 * 60 + 15) * 1000;
  auto reading = fetch(2);
  reading->give_access(access(1));
  EXPECT_EQ(reading->first_request_at_ms(), 0);
  reading->advance(now_, 0.5);
  now_ += 1500;  // the round trip
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->first_request_at_ms(), date - 1500);
  reading->take_page();
  headers_ = "Date: Tue, 14 Nov 2023 23:00:05 GMT\r\n";
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->first_request_at_ms(), date - 1500);
  headers_ = "";
  auto without = fetch(1);
  without->give_access(access(1));
  ASSERT_EQ(run(*without), State::kPage);
  EXPECT_EQ(without->first_request_at_ms(), now_);
}

TEST_F(FetchTest, ACallIsSentOnceWhateverIsAnswered) {
  const auto call = [&](int64_t generation) {
    Request request;
    request.method = "POST";
    request.url = "/things";
    auto made = std::make_unique<Fetch>(pool_, connector_,
                                        std::make_unique<CallSource>(std::move(request), true));
    made->give_access(access(generation));
    return made;
  };
  const auto status_of = [](const Fetch &fetch) {
    return static_cast<const CallSource &>(fetch.source()).answer()->status;
  };
  for (const int status : {201, 301, 400, 403, 404, 429, 503}) {
    replies_ = {answer(status, "")};
    auto made = call(1);
    ASSERT_EQ(run(*made), State::kDone);
    EXPECT_EQ(status_of(*made), status);
    EXPECT_EQ(made->counters().requests, 1);
  }
  // A token that was refused had no effect; a fresh one is tried, once.
  replies_ = {answer(401, ""), answer(401, "")};
  auto refused = call(1);
  ASSERT_EQ(run(*refused), State::kNeedsToken);
  refused->give_access(access(2));
  ASSERT_EQ(run(*refused), State::kDone);
  EXPECT_EQ(status_of(*refused), 401);
  // What may have had an effect is not sent again.
  replies_ = {{"HTTP/1.1 200 OK\r\n", true}};
  auto cut = call(1);
  ASSERT_EQ(run(*cut), State::kFailed);
  EXPECT_EQ(cut->error().sqlstate, "08006");
  EXPECT_EQ(cut->counters().requests, 1);
}

/// Pages of nothing for ever: of the same address, or of ever another.
class Endless : public Countdown {
 public:
  explicit Endless(bool moves) : Countdown(1 << 30), moves_(moves) {}
  Want next() const override {
    Request request;
    request.url = moves_ ? "/" + std::to_string(at_) : "/";
    return request;
  }
  Accepted accept(const Response &) override {
    ++at_;
    Accepted accepted;
    accepted.is_page = true;
    return accepted;
  }

 private:
  bool moves_;
  int at_ = 0;
};

TEST_F(FetchTest, APageThatLeadsToItselfEndsIt) {
  Fetch reading(pool_, connector_, std::make_unique<Endless>(false));
  reading.give_access(access(1));
  ASSERT_EQ(run(reading), State::kPage);
  reading.take_page();
  EXPECT_THROW(run(reading), Error);
  EXPECT_EQ(reading.state(), State::kFailed);
  EXPECT_EQ(reading.counters().requests, 1);
}

TEST_F(FetchTest, EmptyPagesWithoutEndEndIt) {
  Fetch reading(pool_, connector_, std::make_unique<Endless>(true));
  reading.give_access(access(1));
  const auto read = [&] {
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(run(reading), State::kPage);
      reading.take_page();
    }
  };
  EXPECT_THROW(read(), Error);
  EXPECT_EQ(reading.counters().requests, 17);
}

TEST_F(FetchTest, AsksNoMoreThanTheBudgetAllows) {
  auto budget = std::make_shared<Budget>();
  auto reading = fetch(2);
  reading->share(budget);
  reading->give_access(access(1));
  budget->park(now_ + 5000, ErrorClass::kQuota, now_);
  EXPECT_EQ(reading->advance(now_, 0.5), State::kBusy);
  EXPECT_TRUE(reading->is_held());
  EXPECT_TRUE(reading->waits(now_));
  EXPECT_EQ(reading->wake_at_ms(), now_ + 5000);
  EXPECT_EQ(reading->counters().requests, 0);
  budget->unpark();  // it goes on before its time
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(waits_, 0);
  EXPECT_FALSE(reading->is_held());
  // Whoever has reached his end needs no budget.
  reading->take_page();
  ASSERT_EQ(run(*reading), State::kPage);
  reading->take_page();
  budget->park(now_ + 5000, ErrorClass::kQuota, now_);
  EXPECT_EQ(run(*reading), State::kDone);
}

TEST_F(FetchTest, TellsTheBudgetWhatComes) {
  auto budget = std::make_shared<Budget>();
  auto connector = std::make_shared<Connector>(*connector_);
  connector->limits.quota.used_and_limit = "usage";
  connector_ = connector;
  replies_ = {answer(429, "", "Retry-After: 7\r\n")};
  auto reading = fetch(2);
  reading->share(budget);
  reading->give_access(access(1));
  const int64_t before = now_;
  headers_ = "Usage: 90/100\r\n";
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_GE(now_, before + 7000);
  EXPECT_GT(budget->known().requests_per_second, 0);
  EXPECT_EQ(budget->known().used, 90);
  EXPECT_TRUE(budget->is_parked(now_));  // of its own reserve
  EXPECT_EQ(budget->known().cause, ErrorClass::kQuota);
  // So does another reading of the connection wait.
  auto other = fetch(2);
  other->share(budget);
  other->give_access(access(1));
  EXPECT_EQ(other->advance(now_, 0.5), State::kBusy);
  EXPECT_TRUE(other->is_held());
}

TEST_F(FetchTest, AnAnswerThatDoesNotComeIsWaitedFor) {
  replies_ = {Reply{"HTTP/1.1 200 OK\r\n"}};
  auto reading = fetch(1);
  reading->give_access(access(1));
  EXPECT_EQ(reading->advance(now_, 0.5), State::kBusy);
  EXPECT_FALSE(reading->waits(now_ + 1000));
  EXPECT_TRUE(reading->waits(now_ + 6000));
}

TEST_F(FetchTest, EndsInTheMiddle) {
  replies_ = {Reply{"HTTP/1.1 200 OK\r\n"}};
  auto reading = fetch(1);
  reading->give_access(access(1));
  EXPECT_EQ(reading->advance(now_, 0.5), State::kBusy);
  ASSERT_TRUE(pump_until(pool_, [&] { return !server_.requests().empty(); }));
  reading.reset();
  auto next = fetch(1);
  next->give_access(access(1));
  EXPECT_EQ(run(*next), State::kPage);
}

/// A list of large pages, "/1" to "/<last>", each of which names the next one, rightly or not. Its
/// pages wait to be taken apart until the gate is open.
class LargePages : public MadeUp {
 public:
  LargePages(int last, std::string guess, std::atomic<bool> *gate)
      : MadeUp(1), last_(last), guess_(std::move(guess)), gate_(gate) {}
  Want next() const override {
    if (at_ > last_) return Done{};
    Request request;
    request.url = "/" + std::to_string(at_);
    return request;
  }
  std::optional<Request> next_after(const Response &) const override {
    Request request;
    request.url = guess_.empty() ? "/" + std::to_string(at_ + 1) : guess_;
    return request;
  }
  Accepted accept(const Response &response) override {
    while (!*gate_) std::this_thread::yield();
    if (response.body.starts_with("odd")) throw Error(ErrorClass::kData, "an odd answer");
    ++at_;
    return page_of(response);
  }

 private:
  int last_;
  std::string guess_;
  std::atomic<bool> *gate_;
};

class LargeFetchTest : public FetchTest {
 protected:
  LargeFetchTest() { Helper::of_process().allow(); }
  ~LargeFetchTest() override {
    gate_ = true;
    Helper::of_process().end();
  }
  static std::string page(const std::string &number) { return number + std::string(300'000, '.'); }
  std::unique_ptr<Fetch> large(int last, std::string guess = "") {
    auto reading = std::make_unique<Fetch>(
        pool_, connector_, std::make_unique<LargePages>(last, std::move(guess), &gate_));
    reading->give_access(access(0));
    reading->run_ahead();
    return reading;
  }
  size_t requests_of(const std::string &path) {
    size_t count = 0;
    for (const std::string &request : server_.requests())
      count += request.starts_with("GET " + path + " ") ? 1 : 0;
    return count;
  }
  std::atomic<bool> gate_ = true;
};

TEST_F(LargeFetchTest, AsksForTheNextPageWhileOneIsTakenApart) {
  replies_ = {answer(200, page("1")), answer(200, page("2")), answer(200, page("3"))};
  gate_ = false;
  auto reading = large(3);
  ASSERT_TRUE(pump_until(pool_, [&] {
    reading->advance(now_, 0.5);
    return reading->is_digesting() && server_.requests().size() == 2;
  }));
  EXPECT_EQ(reading->state(), State::kBusy);
  EXPECT_FALSE(reading->waits(now_ + 60'000));
  EXPECT_EQ(requests_of("/2"), 1u);
  gate_ = true;
  for (const char *number : {"1", "2", "3"}) {
    ASSERT_EQ(run(*reading), State::kPage);
    EXPECT_EQ(reading->take_page().storage, page(number));
  }
  EXPECT_EQ(run(*reading), State::kDone);
  EXPECT_EQ(reading->counters().requests, 4);  // the last page named another one
  EXPECT_EQ(requests_of("/2"), 1u);
  EXPECT_EQ(requests_of("/3"), 1u);
}

TEST_F(LargeFetchTest, ForgetsWhatItWasWrongToAskFor) {
  replies_ = {answer(200, page("1"))};
  auto reading = large(2, "/wrong");
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->take_page().storage, page("1"));
  ASSERT_EQ(run(*reading), State::kPage);
  EXPECT_EQ(reading->take_page().storage, "/2");
  EXPECT_EQ(run(*reading), State::kDone);
}

TEST_F(LargeFetchTest, WhatTheSourceThrowsGoesThrough) {
  replies_ = {answer(200, page("odd"))};
  auto reading = large(2);
  EXPECT_THROW(run(*reading), Error);
  EXPECT_EQ(reading->state(), State::kFailed);
}

TEST_F(LargeFetchTest, TheSourceIsSeenWhenItIsDoneWithAnAnswer) {
  replies_ = {answer(200, page("1"))};
  auto reading = large(1);
  ASSERT_TRUE(pump_until(pool_, [&] {
    return reading->is_digesting() || reading->advance(now_, 0.5) != State::kBusy;
  }));
  EXPECT_EQ(reading->source().cursor().dump(), "{\"at\":2}");
}

TEST_F(LargeFetchTest, EndsWhileAnAnswerIsTakenApart) {
  replies_ = {answer(200, page("1"))};
  gate_ = false;
  auto reading = large(2);
  ASSERT_TRUE(pump_until(pool_, [&] {
    reading->advance(now_, 0.5);
    return reading->is_digesting();
  }));
  std::thread opener([&] { gate_ = true; });
  reading.reset();
  EXPECT_TRUE(gate_);
  opener.join();
}

TEST_F(LargeFetchTest, WhoFindsTheHelperBusyDoesItHimself) {
  std::atomic<bool> ends = false;
  ASSERT_TRUE(Helper::of_process().begin([&] {
    while (!ends) std::this_thread::yield();
  }));
  EXPECT_FALSE(Helper::of_process().begin([] {}));
  replies_ = {answer(200, page("1"))};
  auto reading = large(1);
  EXPECT_EQ(run(*reading), State::kPage);
  ends = true;
}

TEST(HelperTest, DoesNothingUnlessItIsAllowed) {
  EXPECT_FALSE(Helper::of_process().begin([] {}));
  Helper::of_process().allow();
  std::atomic<bool> done = false;
  EXPECT_TRUE(Helper::of_process().begin([&] { done = true; }));
  Helper::of_process().end();
  EXPECT_TRUE(done);
  EXPECT_FALSE(Helper::of_process().begin([] {}));
}

}  // namespace
}  // namespace supaglue
