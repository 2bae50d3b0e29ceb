// simulator: compression of answers; see message.hpp.
#include "message.hpp"

#include <zlib.h>

#include <stdexcept>

namespace simulator {

std::shared_ptr<const std::string> gzip(const std::string &text) {
  z_stream stream{};
  if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2 failed");
  auto out = std::make_shared<std::string>(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef *>(out->data());
  stream.avail_out = static_cast<uInt>(out->size());
  deflate(&stream, Z_FINISH);
  out->resize(stream.total_out);
  out->shrink_to_fit();
  deflateEnd(&stream);
  return out;
}

}  // namespace simulator
