// pure: tests of call.hpp and of how a fetch treats its answers: once, whatever they are.
#include <gtest/gtest.h>

#include <string>

#include "call.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Request request() {
  Request request;
  request.method = "POST";
  request.url = "/things";
  request.body = "{}";
  return request;
}

TEST(CallTest, AsksOnceAndKeepsTheAnswer) {
  CallSource call(request());
  EXPECT_FALSE(call.takes_refusals());
  EXPECT_EQ(call.answer(), nullptr);
  EXPECT_EQ(std::get<Request>(call.next()).url, "/things");
  EXPECT_EQ(std::get<Request>(call.next()).method, "POST");
  Response response;
  response.status = 201;
  response.body = "made";
  EXPECT_FALSE(call.accept(response).is_page);
  EXPECT_TRUE(std::holds_alternative<Done>(call.next()));
  ASSERT_NE(call.answer(), nullptr);
  EXPECT_EQ(call.answer()->status, 201);
  EXPECT_EQ(call.answer()->body, "made");
  EXPECT_EQ(call.describe_request(), "POST /things");
}

}  // namespace
}  // namespace supaglue
