// pure: signed web tokens. See jwt.hpp.
#include "jwt.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "encoding.hpp"
#include "error.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T *object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Text = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;

// Without it OpenSSL asks for the passphrase of an encrypted key at the terminal.
int no_passphrase(char *, int, int, void *) { return 0; }

Key read_private_key(const std::string &pem) {
  const Text text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(text ? PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    throw Error(ErrorClass::kAuthentication, "the private key of the connection cannot be used",
                "It must be an RSA key in PEM form, without a passphrase.");
  return key;
}

}  // namespace

std::string signed_jwt(std::string_view claims, const std::string &private_key) {
  const Key key = read_private_key(private_key);
  std::string token = base64url(R"({"alg":"RS256","typ":"JWT"})") + '.' + base64url(claims);
  const auto *bytes = reinterpret_cast<const unsigned char *>(token.data());
  const Digest digest(EVP_MD_CTX_new());
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key.get())), '\0');
  size_t size = signature.size();
  if (!digest || EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char *>(signature.data()), &size,
                     bytes, token.size()) != 1)
    throw Error(ErrorClass::kInternal, "the encryption library failed");
  signature.resize(size);
  return token + '.' + base64url(signature);
}

}  // namespace supaglue
