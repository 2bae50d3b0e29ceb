// pure: requests and answers as documents. See exchange.hpp.
#include "exchange.hpp"

#include <algorithm>
#include <optional>

#include "document.hpp"
#include "encoding.hpp"
#include "json.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

// What the session and the transfer say themselves, and what would say another method.
const char *const kReservedHeaders[] = {"authorization",
                                        "proxy-authorization",
                                        "cookie",
                                        "host",
                                        "content-length",
                                        "content-encoding",
                                        "transfer-encoding",
                                        "connection",
                                        "keep-alive",
                                        "proxy-connection",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "expect",
                                        "accept-encoding",
                                        "x-http-method",
                                        "x-http-method-override",
                                        "x-method-override"};
// What of the answer's is no longer true of the body as it stands, or is a credential.
const char *const kHiddenHeaders[] = {"content-length", "content-encoding", "transfer-encoding",
                                      "set-cookie"};

bool is_among(std::string_view name, const char *const *begin, const char *const *end) {
  return std::find(begin, end, name) != end;
}

std::string lower(std::string text) {
  for (char &c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(static_cast<char>(c)) != std::string_view::npos;
}

/// -1: it is no hexadecimal digit.
int hex(char c) {
  const size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
  return digit == std::string_view::npos ? -1 : static_cast<int>(digit < 16 ? digit : digit - 6);
}

/// Percent-decoded once; false when an escape is none.
bool decode(std::string_view text, std::string *out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return false;
    *out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
    i += 2;
  }
  return true;
}

/// Whether a path steps up or stays, however it is written: then it is not the path that it seems.
bool has_dot_segment(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  path += '/';
  for (const char *step : {"/./", "/../"})
    if (path.find(step) != std::string::npos) return true;
  return false;
}

/// Whether the connector's connections carry their credential by this name there.
bool carries_credential(const Connector &connector, Carrier::Where where, const std::string &name) {
  return std::any_of(connector.carriers.begin(), connector.carriers.end(), [&](const auto &entry) {
    return entry.second.where == where && lower(entry.second.name) == lower(name);
  });
}

void check_parameter(const ObjectReader &reader, const Connector &connector, const char *key,
                     const std::string &name) {
  if (carries_credential(connector, Carrier::Where::kQuery, name))
    reader.fail(key, "must not hold \"" + name + "\"", "Credentials are not the caller's to give.",
                "Leave it out.");
}

std::string read_path(const ObjectReader &reader, const Connector &connector) {
  const std::string path = reader.required_text("path");
  if (path.front() != '/' || path.starts_with("//"))
    reader.fail("path", "must be a path of the provider's API",
                "Requests go to the connection's own address only.",
                "It begins with one slash, without scheme and host.");
  const bool good = std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return is_plain(c) || std::string_view("/%?=&:@!$'()*+,;").find(static_cast<char>(c)) !=
                              std::string_view::npos;
  });
  std::string decoded;
  if (!good || !decode(path, &decoded))
    reader.fail("path", "must be percent-encoded", {},
                "Give parameters in \"query\": there they are encoded for you.");
  if (has_dot_segment(decoded.substr(0, decoded.find('?'))))
    reader.fail("path", "must not have the segments \".\" and \"..\"");
  for (size_t at = path.find('?'); at != std::string::npos; at = path.find('&', at + 1)) {
    std::string name;
    decode(std::string_view(path).substr(at + 1, path.find_first_of("=&", at + 1) - at - 1), &name);
    check_parameter(reader, connector, "path", name);
  }
  return path;
}

std::string text_of(const ObjectReader &reader, const char *key, const Json &value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  reader.fail(key, "must hold texts, numbers and booleans");
}

std::string read_query(const ObjectReader &reader, const Connector &connector) {
  std::string query;
  const Json *object = reader.find("query");
  if (object == nullptr) return query;
  if (!object->is_object()) reader.fail("query", "must be an object");
  for (const auto &[name, value] : object->items()) {
    if (value.is_null()) continue;
    check_parameter(reader, connector, "query", name);
    for (const Json &one : value.is_array() ? value : Json::array({value}))
      query += (query.empty() ? "" : "&") + url_encoded(name) + "=" +
               url_encoded(text_of(reader, "query", one));
  }
  return query;
}

void read_header(const ObjectReader &reader, const Connector &connector, const std::string &name,
                 const std::string &value, Request *request) {
  const bool is_token = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return is_plain(c) ||
           std::string_view("!#$%&'*+^`|").find(static_cast<char>(c)) != std::string_view::npos;
  });
  const bool is_line = std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return c == '\t' || (c >= ' ' && c != 0x7f);
  });
  if (!is_token || !is_line) reader.fail("headers", "must hold names and values of one line each");
  if (is_among(lower(name), std::begin(kReservedHeaders), std::end(kReservedHeaders)) ||
      carries_credential(connector, Carrier::Where::kHeader, name))
    reader.fail("headers", "must not hold \"" + name + "\"",
                "Credentials and the framing of the message are not the caller's.",
                "Leave it out.");
  request->headers.push_back({name, value});
}

void read_headers(const ObjectReader &reader, const Connector &connector, Request *request) {
  const Json *object = reader.find("headers");
  if (object == nullptr) return;
  if (!object->is_object()) reader.fail("headers", "must be an object");
  for (const auto &[name, value] : object->items())
    if (!value.is_null())
      read_header(reader, connector, name, text_of(reader, "headers", value), request);
}

bool has_header(const Request &request, const char *name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const Header &header) { return lower(header.name) == name; });
}

void read_body(const ObjectReader &reader, Request *request) {
  const Json *body = reader.find("body");
  if (body == nullptr) return;
  if (is_reading(*request)) reader.fail("body", "does not go with the method " + request->method);
  const bool is_text = body->is_string();
  request->body = is_text ? body->get<std::string>() : body->dump();
  if (!has_header(*request, "content-type"))
    request->headers.push_back(
        {"Content-Type", is_text ? "text/plain; charset=utf-8" : "application/json"});
}

Json headers_of(const Response &response) {
  Json headers = Json::object();
  for (const Header &header : response.headers) {
    if (is_among(header.name, std::begin(kHiddenHeaders), std::end(kHiddenHeaders))) continue;
    if (headers.contains(header.name))
      headers[header.name] = headers[header.name].get<std::string>() + ", " + header.value;
    else
      headers[header.name] = header.value;
  }
  return headers;
}

}  // namespace

Request read_exchange(const Connector &connector, std::string_view document) {
  ObjectReader reader("request", "", parse_document("request", document),
                      {{"method", "method"},
                       {"path", "path"},
                       {"query", "query"},
                       {"headers", "headers"},
                       {"body", "body"}});
  Request request;
  const std::optional<std::string> method =
      reader.choice("method", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"});
  if (!method) reader.missing("method");
  request.method = *method;
  request.url = read_path(reader, connector);
  if (const std::string query = read_query(reader, connector); !query.empty())
    request.url += (request.url.find('?') == std::string::npos ? "?" : "&") + query;
  read_headers(reader, connector, &request);
  if (!has_header(request, "accept")) request.headers.push_back({"Accept", "application/json"});
  read_body(reader, &request);
  return request;
}

bool is_reading(const Request &request) {
  return request.method == "GET" || request.method == "HEAD";
}

bool claims_json(const Response &response) {
  const std::string type = lower(std::string(response.header("content-type")));
  return type.substr(0, type.find(';')).find("json") != std::string::npos;
}

std::string write_exchange(const Response &response, const std::string &url, BodyForm form) {
  const auto written = [](const Json &value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string out = "{\"status\":" + std::to_string(response.status) + ",\"url\":" + written(url) +
                    ",\"headers\":" + written(headers_of(response)) + ",\"body\":";
  // A body of JSON stands as it came, so that no number loses a digit.
  if (form == BodyForm::kJson)
    out += response.body;
  else
    out += form == BodyForm::kText ? written(response.body) : "null";
  if (form == BodyForm::kBytes) out += ",\"body_base64\":\"" + base64(response.body) + "\"";
  return out + "}";
}

}  // namespace supaglue
