// pure: gzip, decompressed. See gunzip.hpp. By libdeflate, which takes a third of zlib's time and
// wants to know how much comes out: the last member says so, and what it says is not relied upon.
#include "gunzip.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kSizeBytes = 4;  // at the end of a member, little-endian (RFC 1952)

size_t size_said(std::string_view packed) {
  size_t size = 0;
  for (size_t i = 0; i < kSizeBytes; ++i)
    size |= size_t{static_cast<unsigned char>(packed[packed.size() - kSizeBytes + i])} << (8 * i);
  return size;
}

}  // namespace

Gunzipped gunzip(std::string_view packed, size_t most, size_t padding, std::string *out) {
  out->clear();
  if (packed.empty()) return Gunzipped::kWhole;
  if (packed.size() < kSizeBytes) return Gunzipped::kGarbled;
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor *)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (decompressor == nullptr) throw std::bad_alloc();
  // One byte more than there may be: what fills it is too large.
  size_t room = std::min(std::max<size_t>(size_said(packed), 1), most + 1), done = 0;
  while (!packed.empty()) {
    out->reserve(room + padding);
    out->resize(room);
    size_t taken = 0, given = 0;
    switch (libdeflate_gzip_decompress_ex(decompressor.get(), packed.data(), packed.size(),
                                          out->data() + done, room - done, &taken, &given)) {
      case LIBDEFLATE_SUCCESS:
        packed.remove_prefix(taken);
        done += given;
        if (done > most) return Gunzipped::kTooLarge;
        break;
      case LIBDEFLATE_INSUFFICIENT_SPACE:
        if (room > most) return Gunzipped::kTooLarge;
        room = std::min(room * 2, most + 1);
        break;
      default:
        return Gunzipped::kGarbled;
    }
  }
  out->resize(done);
  return Gunzipped::kWhole;
}

}  // namespace supaglue
