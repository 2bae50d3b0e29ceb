// pure: tests of exchange.hpp: a request says nothing but what it seems to say.
#include <gtest/gtest.h>

#include <string>

#include "exchange.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Request read(const std::string &document) {
  return read_exchange(*Connector::builtin("salesforce"), document);
}

std::string complaint(const std::string &document) {
  try {
    const Request request = read(document);
    return "none: " + request.url;
  } catch (const Error &error) {
    return error.message;
  }
}

std::string complaint_of_path(const std::string &path) {
  return complaint(Json{{"method", "GET"}, {"path", path}}.dump());
}

std::string complaint_of_header(const std::string &name, const std::string &value) {
  return complaint(Json{{"method", "GET"}, {"path", "/x"}, {"headers", {{name, value}}}}.dump());
}

TEST(ExchangeTest, ReadsARequest) {
  const Request request = read(R"({"method": "PATCH", "path": "/a/b%20c?d=1",
      "query": {"q": "SELECT Id FROM A WHERE B = 'ä&='", "n": 5, "yes": true, "list": ["x", 1], "no": null},
      "headers": {"Sforce-Query-Options": "batchSize=200", "X-None": null}, "body": {"a": [1.50]}})");
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.url,
            "/a/b%20c?d=1&q=SELECT%20Id%20FROM%20A%20WHERE%20B%20%3D%20%27%C3%A4%26%3D%27&n=5&yes="
            "true&list=x&list=1");
  ASSERT_EQ(request.headers.size(), 3u);
  EXPECT_EQ(request.headers[0].name + ": " + request.headers[0].value,
            "Sforce-Query-Options: batchSize=200");
  EXPECT_EQ(request.headers[1].value, "application/json");
  EXPECT_EQ(request.headers[2].name + ": " + request.headers[2].value,
            "Content-Type: application/json");
  EXPECT_EQ(request.body, R"({"a":[1.5]})");
  EXPECT_FALSE(is_reading(request));
  EXPECT_TRUE(is_reading(read(R"({"method": "GET", "path": "/"})")));
}

TEST(ExchangeTest, ATextIsTheBodyAsItStands) {
  Request request = read(R"({"method": "POST", "path": "/", "body": "a,b\n1,2"})");
  EXPECT_EQ(request.body, "a,b\n1,2");
  EXPECT_EQ(request.headers.back().value, "text/plain; charset=utf-8");
  request = read(
      R"({"method": "POST", "path": "/", "headers": {"content-TYPE": "text/csv"}, "body": "a"})");
  EXPECT_EQ(request.headers.size(), 2u);
  EXPECT_EQ(request.headers.front().value, "text/csv");
}

TEST(ExchangeTest, RefusesOtherAddresses) {
  for (const char *path : {"https://evil.example/", "//evil.example/", "a", "@evil.example"})
    EXPECT_EQ(complaint_of_path(path), R"("path" in request must be a path of the provider's API)")
        << path;
  EXPECT_EQ(complaint(R"({"method": "GET", "path": ""})").substr(0, 6), "\"path\"");
}

TEST(ExchangeTest, RefusesWhatIsNotWhatItSeems) {
  for (const char *path : {"/a b", "/a\r\nHost: x", "/a\tb", "/a\\..\\b", "/a#b", "/ä", "/a%",
                           "/a%2", "/a%zz", "/a\"b", "/{a}", "/a\x7f"})
    EXPECT_EQ(complaint_of_path(path), R"("path" in request must be percent-encoded)") << path;
  for (const char *path : {"/..", "/a/../b", "/a/..?b", "/./a", "/a/.", "/%2e%2e/a", "/a/.%2E/b",
                           "/a%2f..%2fb", "/a%5c..%5cb"})
    EXPECT_EQ(complaint_of_path(path),
              R"("path" in request must not have the segments "." and "..")")
        << path;
  EXPECT_EQ(complaint_of_path("/a..b/...?x=../.."), "none: /a..b/...?x=../..");
}

TEST(ExchangeTest, RefusesCredentialsAndFraming) {
  for (const char *name : {"Authorization", "AUTHORIZATION", "cookie", "Host", "Content-Length",
                           "Transfer-Encoding", "Connection", "X-HTTP-Method-Override"})
    EXPECT_EQ(complaint_of_header(name, "x"),
              std::string("\"headers\" in request must not hold \"") + name + "\"");
  EXPECT_EQ(complaint_of_header("X-A", "b\r\nAuthorization: c"),
            R"("headers" in request must hold names and values of one line each)");
  for (const char *name : {"", "X A", "X:A", "X\nA", "X\xc3\xa4"})
    EXPECT_EQ(complaint_of_header(name, "x"),
              R"("headers" in request must hold names and values of one line each)");
}

TEST(ExchangeTest, RefusesWhatTheConnectorCarriesTheCredentialIn) {
  Connector connector;
  connector.carriers["api_key"] = {Carrier::Where::kHeader, "X-Key", ""};
  connector.carriers["basic"] = {Carrier::Where::kQuery, "key", ""};
  EXPECT_THROW(
      read_exchange(connector, R"({"method": "GET", "path": "/", "headers": {"x-key": "a"}})"),
      Error);
  EXPECT_THROW(read_exchange(connector, R"({"method": "GET", "path": "/", "query": {"Key": "a"}})"),
               Error);
  EXPECT_THROW(read_exchange(connector, R"({"method": "GET", "path": "/?a=b&%6bey=c"})"), Error);
  EXPECT_EQ(read_exchange(connector, R"({"method": "GET", "path": "/?keyring=c"})").url,
            "/?keyring=c");
}

TEST(ExchangeTest, ChecksTheDocument) {
  EXPECT_EQ(complaint(R"({"path": "/"})"), R"(missing key "method" in request)");
  EXPECT_NE(complaint(R"({"method": "TRACE", "path": "/"})").find("\"method\""), std::string::npos);
  EXPECT_NE(complaint(R"({"method": "GET", "path": "/", "url": "x"})").find("\"url\""),
            std::string::npos);
  EXPECT_EQ(complaint(R"({"method": "GET", "path": "/", "body": "x"})"),
            R"("body" in request does not go with the method GET)");
  EXPECT_EQ(complaint(R"({"method": "GET", "path": "/", "query": {"a": {"b": 1}}})"),
            R"("query" in request must hold texts, numbers and booleans)");
}

TEST(ExchangeTest, WritesTheAnswer) {
  Response response;
  response.status = 404;
  response.headers = {{"content-type", "application/problem+json; charset=utf-8"},
                      {"x-a", "1"},
                      {"x-a", "2"},
                      {"set-cookie", "session=secret"},
                      {"content-length", "5"}};
  response.body = "[12345678901234567890.10]";
  EXPECT_TRUE(claims_json(response));
  EXPECT_EQ(
      write_exchange(response, "https://a/b", BodyForm::kJson),
      R"({"status":404,"url":"https://a/b","headers":{"content-type":"application/problem+json; )"
      R"(charset=utf-8","x-a":"1, 2"},"body":[12345678901234567890.10]})");
  response.headers = {{"content-type", "text/json-like;a=\"json\""}};
  EXPECT_TRUE(claims_json(response));
  response.headers = {{"content-type", "text/html; a=json"}};
  EXPECT_FALSE(claims_json(response));
  response.headers = {};
  response.body = "<\"\n>";
  EXPECT_EQ(write_exchange(response, "u", BodyForm::kText),
            R"({"status":404,"url":"u","headers":{},"body":"<\"\n>"})");
  EXPECT_EQ(write_exchange(response, "u", BodyForm::kNone),
            R"({"status":404,"url":"u","headers":{},"body":null})");
  for (const auto &[bytes, encoded] : {std::pair(std::string("\0\xff", 2), "AP8="),
                                       {std::string("abc"), "YWJj"},
                                       {std::string("a"), "YQ=="}}) {
    response.body = bytes;
    EXPECT_EQ(write_exchange(response, "u", BodyForm::kBytes),
              std::string(R"({"status":404,"url":"u","headers":{},"body":null,"body_base64":")") +
                  encoded + "\"}");
  }
}

}  // namespace
}  // namespace supaglue
