// Secrets that lie in files of the server.
#include "secret_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "error.hpp"

namespace supaglue {
namespace {

TEST(SecretFile, IsReplacedByItsContent) {
  char path[] = "/tmp/supaglue_secret_XXXXXX";
  close(mkstemp(path));
  std::ofstream(path) << "first\nsecond\n";
  const std::string secrets = R"({"a":"plain","b":{"file":")" + std::string(path) + R"("}})";
  EXPECT_TRUE(has_secret_file(secrets));
  EXPECT_EQ(with_secret_files(secrets), R"({"a":"plain","b":"first\nsecond"})");
  unlink(path);
}

TEST(SecretFile, PlainSecretsStay) {
  EXPECT_FALSE(has_secret_file(R"({"a":"plain"})"));
  EXPECT_EQ(with_secret_files(R"({"a":"plain","n":1})"), R"({"a":"plain","n":1})");
}

TEST(SecretFile, OneThatCannotBeReadIsNamed) {
  for (const char *path : {"/nonexistent/secret", "/tmp", "/dev/null"}) {
    try {
      with_secret_files(R"({"a":{"file":")" + std::string(path) + R"("}})");
      FAIL() << path;
    } catch (const Error &error) {
      EXPECT_EQ(error.error_class, ErrorClass::kInternal);
      EXPECT_NE(error.detail.find(path), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace supaglue
