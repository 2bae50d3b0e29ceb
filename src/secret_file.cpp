// pure: secrets in files. See secret_file.hpp.
#include "secret_file.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "error.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

constexpr std::uintmax_t kMostBytes = 1 << 20;

bool names_file(const Json &secret) { return secret.is_object() && secret.contains("file"); }

std::string content_of(const std::string &path) {
  std::error_code error;
  const bool usable = std::filesystem::is_regular_file(path, error) &&
                      std::filesystem::file_size(path, error) <= kMostBytes;
  std::ifstream file(path, std::ios::binary);
  if (!usable || !file)
    throw Error(ErrorClass::kInternal, "cannot read the file of a secret",
                "\"" + path + "\" is not a file of at most 1 MB that the server can read.");
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return content;
}

}  // namespace

bool has_secret_file(std::string_view secrets) {
  const Json object = Json::parse(secrets);
  return std::any_of(object.begin(), object.end(), names_file);
}

std::string with_secret_files(std::string_view secrets) {
  Json object = Json::parse(secrets);
  for (Json &secret : object)
    if (names_file(secret)) secret = content_of(secret["file"].get<std::string>());
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace supaglue
