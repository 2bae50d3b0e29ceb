// Tests of encodings and signed web tokens: the signature is checked by OpenSSL with the other half
// of the key.
#include "jwt.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "encoding.hpp"
#include "error.hpp"

namespace supaglue {
namespace {

TEST(Encoding, OfBytes) {
  struct Case {
    const char *bytes, *base64, *base64url;
  };
  for (const Case &c : {Case{"", "", ""}, Case{"f", "Zg==", "Zg"}, Case{"fo", "Zm8=", "Zm8"},
                        Case{"foo", "Zm9v", "Zm9v"}, Case{"foob", "Zm9vYg==", "Zm9vYg"},
                        Case{"\xfb\xff\xfe", "+//+", "-__-"}}) {
    EXPECT_EQ(base64(c.bytes), c.base64);
    EXPECT_EQ(base64url(c.bytes), c.base64url);
  }
  EXPECT_EQ(hexadecimal("\x01\xfe"), "01fe");
  EXPECT_EQ(url_encoded("a b&c=d/\xc3\xa4-._~"), "a%20b%26c%3Dd%2F%C3%A4-._~");
}

std::string pem_of(EVP_PKEY *key, bool encrypted) {
  BIO *bio = BIO_new(BIO_s_mem());
  auto *passphrase = reinterpret_cast<unsigned char *>(const_cast<char *>("pass"));
  PEM_write_bio_PrivateKey(bio, key, encrypted ? EVP_aes_128_cbc() : nullptr,
                           encrypted ? passphrase : nullptr, encrypted ? 4 : 0, nullptr, nullptr);
  char *text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string from_base64url(std::string text) {
  for (char &c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  const size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string bytes(text.size(), '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char *>(bytes.data()),
                      reinterpret_cast<const unsigned char *>(text.data()), text.size());
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

TEST(Jwt, IsSignedByTheKey) {
  EVP_PKEY *key = EVP_RSA_gen(2048);
  const std::string token = signed_jwt(R"({"iss":"app"})", pem_of(key, false));
  const size_t first = token.find('.'), last = token.rfind('.');
  EXPECT_EQ(from_base64url(token.substr(0, first)), R"({"alg":"RS256","typ":"JWT"})");
  EXPECT_EQ(from_base64url(token.substr(first + 1, last - first - 1)), R"({"iss":"app"})");
  const std::string signature = from_base64url(token.substr(last + 1));
  const auto verified = [&](const std::string &text) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key);
    const int result = EVP_DigestVerify(
        context, reinterpret_cast<const unsigned char *>(signature.data()), signature.size(),
        reinterpret_cast<const unsigned char *>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    return result == 1;
  };
  EXPECT_TRUE(verified(token.substr(0, last)));
  EXPECT_FALSE(verified(token.substr(0, last - 1)));
  EVP_PKEY_free(key);
}

TEST(Jwt, NeedsAnRsaKeyWithoutAPassphrase) {
  EVP_PKEY *rsa = EVP_RSA_gen(2048), *elliptic = EVP_EC_gen("P-256");
  for (const std::string &pem :
       {std::string(), std::string("nonsense"), pem_of(rsa, true), pem_of(elliptic, false)}) {
    try {
      signed_jwt("{}", pem);
      ADD_FAILURE() << pem;
    } catch (const Error &error) {
      EXPECT_EQ(error.sqlstate, "28000");
    }
  }
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(elliptic);
}

}  // namespace
}  // namespace supaglue
