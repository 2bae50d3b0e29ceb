// simulator: a request and an answer, whatever serves them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace simulator {

struct Request {
  std::string method, path;                    // path: percent-decoded, without the query
  std::map<std::string, std::string> params;   // of the query and of a form
  std::map<std::string, std::string> headers;  // by lower-case name
  std::string body;
  int client_port = 0;

  std::string param(const std::string &name, const std::string &otherwise = "") const {
    const auto found = params.find(name);
    return found == params.end() ? otherwise : found->second;
  }
  std::string header(const std::string &lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? "" : found->second;
  }
  bool accepts_gzip() const { return header("accept-encoding").find("gzip") != std::string::npos; }
};

// What goes wrong with an answer on its way.
enum class Mishap { none, cut, drip, close };

struct Response {
  int status = 200;
  std::string type = "application/json;charset=UTF-8";
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const std::string> body = std::make_shared<std::string>();
  bool is_gzip = false;
  std::function<bool(std::string &)> next_chunk;  // instead of a body; false: that was the last
  Mishap mishap = Mishap::none;
  int mishap_ms = 0;

  Response() = default;
  Response(int http_status, std::string text)
      : status(http_status), body(std::make_shared<std::string>(std::move(text))) {}
};

std::shared_ptr<const std::string> gzip(const std::string &text);

}  // namespace simulator
