// Tests of key files and sealed secrets.
#include "crypto.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "error.hpp"

namespace supaglue {
namespace {

class CryptoTest : public ::testing::Test {
 protected:
  CryptoTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "crypto_test.XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~CryptoTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const char *name) const { return directory_ + "/" + name; }
  std::string written(const std::string &content) const {
    std::ofstream(path("written"), std::ios::binary) << content;
    return path("written");
  }

  std::string directory_;
};

/// The error that a call throws; its message is empty when it throws none.
template <typename Call>
Error error_of(Call &&call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  return {ErrorClass::kProvider, ""};
}

const std::string kDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

TEST_F(CryptoTest, ReadsAKeyFile) {
  for (const char *end : {"", "\n", "\r\n"}) {
    Key key = read_key(written(kDigits + end));
    ASSERT_EQ(key.bytes.size(), 32u);
    EXPECT_EQ(key.bytes[1], 1);
    EXPECT_EQ(key.bytes[31], 31);
  }
}

TEST_F(CryptoTest, RefusesWhatIsNoKey) {
  for (const std::string &content :
       {std::string(), std::string("\n"), kDigits.substr(1), kDigits + "0", kDigits + "\n\n",
        "g" + kDigits.substr(1), " " + kDigits, std::string(100'000, '0')}) {
    Error error = error_of([&] { read_key(written(content)); });
    EXPECT_EQ(error.sqlstate, "XX000");
    EXPECT_EQ(error.message, "the encryption key file \"" + path("written") + "\" is not a key");
    if (content.size() <= 2) continue;
    EXPECT_EQ((error.message + error.detail + error.hint).find(content), std::string::npos);
  }
  Error missing = error_of([&] { read_key(path("missing")); });
  EXPECT_EQ(missing.message, "cannot open the encryption key file \"" + path("missing") + "\"");
  EXPECT_EQ(missing.detail, "The system says: No such file or directory.");
  EXPECT_NE(error_of([&] { read_key(directory_); }).message, "");
}

TEST_F(CryptoTest, MakesAKeyOnce) {
  make_key(path("key"));
  struct stat status;
  ASSERT_EQ(stat(path("key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Key key = read_key(path("key"));
  make_key(path("key"));
  EXPECT_EQ(read_key(path("key")).bytes, key.bytes);
  make_key(path("other"));
  EXPECT_NE(read_key(path("other")).bytes, key.bytes);
  EXPECT_NE(error_of([&] { make_key(path("no/such/directory")); }).message, "");
}

TEST_F(CryptoTest, ARaceMakesOneKeyAndLeavesNothingElse) {
  std::vector<std::string> seen(8);
  {
    std::vector<std::jthread> threads;
    for (std::string &key : seen)
      threads.emplace_back([&] {
        make_key(path("key"));
        key = read_key(path("key")).bytes;
      });
  }
  for (const std::string &key : seen) EXPECT_EQ(key, seen[0]);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(CryptoTest, SealsAndUnseals) {
  Key key{std::string(32, 'k')};
  for (const std::string &plain :
       {std::string(), std::string("a\0b", 3), std::string(100'000, 'x')}) {
    std::string sealed = seal(key, "connection 7", plain);
    EXPECT_EQ(unseal(key, "connection 7", sealed), plain);
    EXPECT_EQ(sealed.size(), plain.size() + 33);
    EXPECT_NE(seal(key, "connection 7", plain), sealed);
  }
  EXPECT_EQ(seal(key, "p", "a secret that is long").find("secret"), std::string::npos);
  EXPECT_EQ(unseal(key, "", seal(key, "", "x")), "x");
}

TEST_F(CryptoTest, TellsAnotherKeyFromDamage) {
  Key key{std::string(32, 'k')};
  Key other{std::string(32, 'o')};
  std::string sealed = seal(key, "connection 7", "secret");
  EXPECT_EQ(error_of([&] { unseal(key, "connection 7", ""); }).message,
            "a stored secret was forgotten");
  EXPECT_EQ(error_of([&] { unseal(other, "connection 7", sealed); }).message,
            "a stored secret is sealed with another key");
  EXPECT_EQ(error_of([&] { unseal(key, "connection 8", sealed); }).message,
            "a stored secret is damaged");
  for (size_t i = 0; i < sealed.size(); i++) {
    std::string damaged = sealed;
    damaged[i] ^= 1;
    EXPECT_NE(error_of([&] { unseal(key, "connection 7", damaged); }).message, "") << i;
    EXPECT_NE(error_of([&] { unseal(key, "connection 7", sealed.substr(0, i)); }).message, "");
  }
  EXPECT_EQ(error_of([&] { seal(Key{"short"}, "p", "x"); }).message,
            "the encryption key has the wrong length");
}

}  // namespace
}  // namespace supaglue
