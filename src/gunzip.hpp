// pure: gzip, decompressed as it comes. It knows nothing of where the bytes come from.
#pragma once

#include <zlib.h>

#include <cstddef>

#include "pure.hpp"

namespace supaglue {

/// Curl's own decoder takes a stream that ends too early for a whole
/// one, which would lose records.
class Gunzip {
 public:
  ~Gunzip() {
    if (begun_) inflateEnd(&stream_);
  }
  Gunzip() = default;
  Gunzip(const Gunzip &) = delete;
  Gunzip &operator=(const Gunzip &) = delete;

  /// Gives what comes out to `sink(bytes, count)`; false when it is garbled or the sink says so.
  template <typename Sink>
  bool decode(char *bytes, size_t count, Sink &&sink) noexcept {
    if (!begun_ && inflateInit2(&stream_, kGzipOnly) != Z_OK) return false;
    begun_ = true;
    stream_.next_in = reinterpret_cast<Bytef *>(bytes);
    stream_.avail_in = static_cast<uInt>(count);
    for (bool full = false; stream_.avail_in > 0 || full;) {
      if (whole_ && inflateReset(&stream_) != Z_OK) return false;  // another member follows
      char out[16384];
      stream_.next_out = reinterpret_cast<Bytef *>(out);
      stream_.avail_out = sizeof out;
      int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return false;
      whole_ = result == Z_STREAM_END;
      full = !whole_ && stream_.avail_out == 0;
      if (!sink(out, sizeof out - stream_.avail_out)) return false;
    }
    return true;
  }
  /// Whether nothing is missing.
  bool whole() const { return whole_ || !begun_; }

 private:
  static constexpr int kGzipOnly = MAX_WBITS + 16;
  z_stream stream_{};
  bool begun_ = false;
  bool whole_ = false;
};

}  // namespace supaglue
