// pure: the only code that encrypts and decrypts secrets: AES-256-GCM by OpenSSL, with a key
// from a file. A sealed secret names its key, so that a wrong key is told apart from damage. Also
// what makes and names tokens: random bytes and digests.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

struct Key {
  std::string bytes;  // 32
};

/// Reads a key file: 64 hexadecimal digits and an optional newline. Throws kInternal (with the
/// path and what is wrong, never the content).
Key read_key(const std::string &path);
/// Makes a new key file, mode 0600, durable; leaves an existing one alone.
void make_key(const std::string &path);
/// Encrypts. `purpose` (for example "connection 7") is authenticated with it, so that a sealed
/// secret cannot be moved to another row.
std::string seal(const Key &key, std::string_view purpose, std::string_view plain);
/// Decrypts. Throws kInternal: sealed with another key, or damaged.
std::string unseal(const Key &key, std::string_view purpose, std::string_view sealed);

/// Its 32 bytes, not its digits: what a token is known by where it must not be kept itself.
std::string sha256(std::string_view text);
/// Bytes that nobody can guess.
std::string random_bytes(size_t count);

}  // namespace supaglue
