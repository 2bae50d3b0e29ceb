// simulator: consent; see consent.hpp.
#include "consent.hpp"

#include <cctype>
#include <cstdlib>

namespace simulator {

static std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() &&
               isxdigit(static_cast<unsigned char>(text[i + 1])) &&
               isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      out +=
          static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

static std::string percent_encoded(const std::string &text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~')
      out += c;
    else
      (out += '%') += {digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

static std::string html_escaped(const std::string &text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

Form form_from(std::string_view text) {
  Form form;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, end);
    const size_t equals = std::min(part.find('='), part.size());
    form.emplace(percent_decoded(part.substr(0, equals)),
                 equals < part.size() ? percent_decoded(part.substr(equals + 1)) : "");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return form;
}

static Response page(int status, const std::string &title, const std::string &content) {
  Response response(status, "<!doctype html><html><head><meta charset=\"utf-8\"><title>" +
                                html_escaped(title) + "</title></head><body><h1>" +
                                html_escaped(title) + "</h1>" + content + "</body></html>\n");
  response.type = "text/html;charset=utf-8";
  return response;
}

Response consent_page(const std::string &provider, const std::string &application,
                      const std::string &account, const std::string &action, const Form &kept) {
  std::string content = "<p>" + html_escaped(application) + " asks for access.</p>" +
                        "<form method=\"post\" action=\"" + html_escaped(action) + "\">";
  for (const auto &[name, value] : kept)
    content += "<input type=\"hidden\" name=\"" + html_escaped(name) + "\" value=\"" +
               html_escaped(value) + "\">";
  content += "<label>Account <input name=\"account\" value=\"" + html_escaped(account) +
             "\"></label> <button id=\"allow\" name=\"decision\" value=\"allow\">Allow</button> "
             "<button id=\"deny\" name=\"decision\" value=\"deny\">Deny</button></form>";
  return page(200, provider, content);
}

Response complaint_page(int status, const std::string &provider, const std::string &complaint) {
  return page(status, provider, "<p id=\"error\">" + html_escaped(complaint) + "</p>");
}

Response redirect(const std::string &address, const Form &params) {
  std::string to = address;
  for (const auto &[name, value] : params)
    to += (to.find('?') == std::string::npos ? "?" : "&") + percent_encoded(name) + "=" +
          percent_encoded(value);
  Response response(302, "");
  response.headers.emplace_back("Location", to);
  return response;
}

}  // namespace simulator
