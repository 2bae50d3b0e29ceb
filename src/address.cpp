// pure: addresses that are not on the public internet. See address.hpp.
#include "address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "pure.hpp"

namespace supaglue {

namespace {

bool is_private_ipv4(uint32_t address) {
  struct Block {
    uint32_t prefix;
    int bits;
  };
  static constexpr Block kBlocks[] = {
      {0x00000000, 8},   // this network
      {0x0a000000, 8},   // private
      {0x64400000, 10},  // carrier-grade NAT
      {0x7f000000, 8},   // loopback
      {0xa83f8110, 32},  // Azure's metadata
      {0xa9fe0000, 16},  // link-local, the clouds' metadata
      {0xac100000, 12},  // private
      {0xc0000000, 24},  // protocol assignments
      {0xc0a80000, 16},  // private
      {0xc6120000, 15},  // benchmarks
      {0xe0000000, 3},   // multicast and reserved
  };
  return std::any_of(std::begin(kBlocks), std::end(kBlocks), [&](const Block &block) {
    return (address >> (32 - block.bits)) == (block.prefix >> (32 - block.bits));
  });
}

bool is_private_ipv6(const uint8_t *bytes) {
  auto ipv4_at = [&](int i) {
    return is_private_ipv4(uint32_t{bytes[i]} << 24 | uint32_t{bytes[i + 1]} << 16 |
                           uint32_t{bytes[i + 2]} << 8 | bytes[i + 3]);
  };
  static constexpr uint8_t kZero[12] = {};
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b};
  static constexpr uint8_t kLocalNat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
  if (std::memcmp(bytes, kZero, 12) == 0 || std::memcmp(bytes, kMapped, 12) == 0 ||
      std::memcmp(bytes, kNat64, 12) == 0)
    return ipv4_at(12);                                         // among them :: and ::1
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return ipv4_at(2);  // 6to4
  return (bytes[0] & 0xfe) == 0xfc ||                           // unique local
         (bytes[0] == 0xfe && (bytes[1] & 0x80) == 0x80) ||     // link-local, site-local
         bytes[0] == 0xff ||                                    // multicast
         std::memcmp(bytes, kLocalNat64, 6) == 0;
}

}  // namespace

bool is_private_address(const sockaddr *address) {
  if (address->sa_family == AF_INET)
    return is_private_ipv4(ntohl(reinterpret_cast<const sockaddr_in *>(address)->sin_addr.s_addr));
  if (address->sa_family == AF_INET6)
    return is_private_ipv6(reinterpret_cast<const sockaddr_in6 *>(address)->sin6_addr.s6_addr);
  return true;
}

bool is_private_address(const char *text) {
  sockaddr_in ipv4{};
  sockaddr_in6 ipv6{};
  ipv4.sin_family = AF_INET;
  ipv6.sin6_family = AF_INET6;
  if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
    return is_private_address(reinterpret_cast<sockaddr *>(&ipv4));
  if (inet_pton(AF_INET6, text, &ipv6.sin6_addr) == 1)
    return is_private_address(reinterpret_cast<sockaddr *>(&ipv6));
  return true;
}

}  // namespace supaglue
