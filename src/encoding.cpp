// pure: bytes as text. See encoding.hpp.
#include "encoding.hpp"

#include <cstdint>

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kMostPrinted = 1000;

std::string in_base64(std::string_view bytes, const char *last_digits) {
  std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  alphabet += last_digits;
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text += alphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += alphabet[bits << (6 - count) & 63];
  return text;
}

}  // namespace

std::string url_encoded(std::string_view text) {
  std::string result;
  for (char c : text) {
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '.' || c == '_' || c == '~') {
      result += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      result += '%';
      result += "0123456789ABCDEF"[byte >> 4];
      result += "0123456789ABCDEF"[byte & 15];
    }
  }
  return result;
}

std::string clipped(std::string_view text, size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::string printable(std::string_view text) {
  std::string result = clipped(text, kMostPrinted);
  if (result.size() < text.size()) result += "...";
  for (char &c : result)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::string hexadecimal(std::string_view bytes) {
  std::string digits;
  for (unsigned char byte : bytes) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

std::string base64(std::string_view bytes) {
  std::string text = in_base64(bytes, "+/");
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::string base64url(std::string_view bytes) { return in_base64(bytes, "-_"); }

}  // namespace supaglue
