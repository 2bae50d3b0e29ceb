// pure: sealing and unsealing of secrets. See crypto.hpp.
#include "crypto.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "error.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

// The layout of a sealed secret: version, key id, nonce, tag, ciphertext.
constexpr char kVersion = 1;
constexpr size_t kKeyBytes = 32;
constexpr size_t kKeyIdAt = 1, kKeyIdBytes = 4;
constexpr size_t kNonceAt = kKeyIdAt + kKeyIdBytes, kNonceBytes = 12;
constexpr size_t kTagAt = kNonceAt + kNonceBytes, kTagBytes = 16;
constexpr size_t kTextAt = kTagAt + kTagBytes;
constexpr size_t kHexDigits = 2 * kKeyBytes;

struct CipherFree {
  void operator()(EVP_CIPHER_CTX *context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherFree>;

class File {
 public:
  File(const std::string &path, int flags, mode_t mode = 0)
      : fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  int fd() const { return fd_; }
  bool good() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Wipes what it guards, on every way out.
struct Wipe {
  std::string &text;
  ~Wipe() { OPENSSL_cleanse(text.data(), text.size()); }
};

const uint8_t *bytes_of(std::string_view text) {
  return reinterpret_cast<const uint8_t *>(text.data());
}
uint8_t *bytes_of(std::string &text) { return reinterpret_cast<uint8_t *>(text.data()); }

[[noreturn]] void throw_system_error(const char *what, const std::string &path) {
  const char *reason = strerrordesc_np(errno);
  throw Error(
      ErrorClass::kInternal, std::string(what) + " \"" + path + "\"",
      std::string("The system says: ") + (reason != nullptr ? reason : "unknown error") + ".",
      "The setting supaglue.encryption_key_file names the file.");
}

[[noreturn]] void throw_cipher_error() {
  throw Error(ErrorClass::kInternal, "the encryption library failed");
}

void require_key(const Key &key) {
  if (key.bytes.size() != kKeyBytes)
    throw Error(ErrorClass::kInternal, "the encryption key has the wrong length");
}

std::string key_id(const Key &key) { return sha256(key.bytes).substr(0, kKeyIdBytes); }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string random_hex(size_t count) {
  std::string bytes = random_bytes(count);
  Wipe wipe{bytes};
  std::string hex;
  hex.reserve(2 * count + 1);  // with the newline, so that no copy is left behind
  for (unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

void sync_directory_of(const std::string &path) {
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  File handle(directory, O_RDONLY | O_DIRECTORY);
  if (!handle.good() || fsync(handle.fd()) != 0)
    throw_system_error("cannot make durable the directory", directory);
}

}  // namespace

Key read_key(const std::string &path) {
  File file(path, O_RDONLY);
  if (!file.good()) throw_system_error("cannot open the encryption key file", path);
  std::string text(kHexDigits + 3, '\0');  // one more than the longest good one
  Wipe wipe{text};
  size_t size = 0;
  for (ssize_t got; size < text.size(); size += static_cast<size_t>(got)) {
    got = read(file.fd(), text.data() + size, text.size() - size);
    if (got < 0) throw_system_error("cannot read the encryption key file", path);
    if (got == 0) break;
  }
  std::string_view digits(text.data(), size);
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  if (digits.ends_with('\r')) digits.remove_suffix(1);
  Key key;
  key.bytes.reserve(kKeyBytes);
  bool good = digits.size() == kHexDigits;
  for (size_t i = 0; good && i < kHexDigits; i += 2) {
    int high = hex_value(digits[i]), low = hex_value(digits[i + 1]);
    good = high >= 0 && low >= 0;
    key.bytes += static_cast<char>(high << 4 | low);
  }
  if (!good)
    throw Error(ErrorClass::kInternal, "the encryption key file \"" + path + "\" is not a key",
                "It must hold 64 hexadecimal digits and nothing else.",
                "The setting supaglue.encryption_key_file names the file.");
  return key;
}

void make_key(const std::string &path) {
  if (access(path.c_str(), F_OK) == 0) return;
  // Written beside and linked into place whole: of two that race, one makes the key.
  std::string temporary = path + "." + random_hex(8);
  std::string text = random_hex(kKeyBytes);
  Wipe wipe{text};
  text += '\n';
  File file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file.good()) throw_system_error("cannot create the encryption key file", temporary);
  bool made = write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
              fsync(file.fd()) == 0 &&
              (link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  int reason = errno;
  unlink(temporary.c_str());
  errno = reason;
  if (!made) throw_system_error("cannot write the encryption key file", path);
  sync_directory_of(path);
}

std::string seal(const Key &key, std::string_view purpose, std::string_view plain) {
  require_key(key);
  std::string sealed(kTextAt + plain.size(), '\0');
  uint8_t *out = bytes_of(sealed);
  sealed[0] = kVersion;
  sealed.replace(kKeyIdAt, kKeyIdBytes, key_id(key));
  Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!cipher || RAND_bytes(out + kNonceAt, kNonceBytes) != 1 ||
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.bytes),
                         out + kNonceAt) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(purpose),
                        static_cast<int>(purpose.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), out + kTextAt, &length, bytes_of(plain),
                        static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), out + sealed.size(), &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + kTagAt) != 1)
    throw_cipher_error();
  return sealed;
}

std::string unseal(const Key &key, std::string_view purpose, std::string_view sealed) {
  require_key(key);
  if (sealed.empty())
    throw Error(ErrorClass::kInternal, "a stored secret was forgotten",
                "supaglue.forget_secrets() was called.", "Give the secret again.");
  if (sealed.size() < kTextAt || sealed[0] != kVersion)
    throw Error(ErrorClass::kInternal, "a stored secret is damaged",
                "It does not have the form of a sealed secret.");
  if (sealed.substr(kKeyIdAt, kKeyIdBytes) != key_id(key))
    throw Error(ErrorClass::kInternal, "a stored secret is sealed with another key", "",
                "Restore the key file that supaglue.encryption_key_file named when the secret "
                "was stored, or give the secret again.");
  std::string plain(sealed.size() - kTextAt, '\0');
  std::string tag(sealed.substr(kTagAt, kTagBytes));
  const uint8_t *in = bytes_of(sealed);
  Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  if (!cipher ||
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.bytes),
                         in + kNonceAt) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(purpose),
                        static_cast<int>(purpose.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), bytes_of(plain), &length, in + kTextAt,
                        static_cast<int>(plain.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1)
    throw_cipher_error();
  if (EVP_DecryptFinal_ex(cipher.get(), bytes_of(plain) + plain.size(), &length) != 1) {
    OPENSSL_cleanse(plain.data(), plain.size());
    throw Error(ErrorClass::kInternal, "a stored secret is damaged",
                "It was changed, or belongs to another row.");
  }
  return plain;
}

std::string sha256(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(bytes_of(text), text.size(), bytes_of(digest));
  return digest;
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(bytes_of(bytes), static_cast<int>(count)) != 1) throw_cipher_error();
  return bytes;
}

}  // namespace supaglue
