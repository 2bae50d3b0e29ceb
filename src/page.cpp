// pure: the packed form of a page; see page.hpp.
#include "page.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "error.hpp"
#include "pure.hpp"

namespace supaglue {
namespace {

// A packed page is one zstd frame with a checksum. In it stand, each number as a varint:
//   format, replaced characters,
//   count of records, for each: length of id, modified and raw, deleted, then the three texts
//   count of unchanged ones, for each: length of id, then the id
//   count of rejects, for each: length of reason and record, then the two texts
// An answer lies as it is behind kAnswer, with which no zstd frame begins, and the number of its
// records.
constexpr uint64_t kFormat = 3;
constexpr char kAnswer = 'A';
constexpr int kLevel = -1;
constexpr unsigned long long kMostBytes = 1ULL << 30;

[[noreturn]] void damaged() {
  throw Error(ErrorClass::kInternal, "a page in the spool is damaged");
}

void put_number(std::string &out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

struct Cursor {
  std::string_view rest;

  uint64_t number() {
    uint64_t result = 0;
    for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      result |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return result;
    }
    damaged();
  }
  std::string_view text(uint64_t length) {
    if (length > rest.size()) damaged();
    std::string_view result = rest.substr(0, length);
    rest.remove_prefix(length);
    return result;
  }
};

std::string compress(const std::string &plain) {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx *)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  size_t size =
      ZSTD_compress2(context.get(), packed.data(), packed.size(), plain.data(), plain.size());
  if (ZSTD_isError(size)) {
    throw Error(ErrorClass::kInternal, "a page could not be compressed", ZSTD_getErrorName(size));
  }
  packed.resize(size);
  packed.shrink_to_fit();
  return packed;
}

std::string decompress(std::string_view packed) {
  unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > kMostBytes) {
    damaged();
  }
  std::string plain;
  // Never in the string object itself: the views into it must survive a move.
  plain.reserve(std::max<size_t>(size, 64));
  plain.resize(size);
  if (ZSTD_decompress(plain.data(), size, packed.data(), packed.size()) != size) damaged();
  return plain;
}

}  // namespace

std::string Page::pack() const {
  std::string plain;
  if (!answer.empty()) {
    plain = kAnswer;
    put_number(plain, static_cast<uint64_t>(answer_records));
    return plain + answer;
  }
  size_t bytes = 64;
  for (const Record &record : records) {
    bytes += record.id.size() + record.modified.size() + record.raw.size() + 16;
  }
  plain.reserve(bytes);
  put_number(plain, kFormat);
  put_number(plain, static_cast<uint64_t>(replaced_characters));
  put_number(plain, records.size());
  for (const Record &record : records) {
    put_number(plain, record.id.size());
    put_number(plain, record.modified.size());
    put_number(plain, record.raw.size());
    put_number(plain, record.deleted ? 1 : 0);
    plain.append(record.id).append(record.modified).append(record.raw);
  }
  put_number(plain, unchanged.size());
  for (const std::string_view id : unchanged) {
    put_number(plain, id.size());
    plain.append(id);
  }
  put_number(plain, rejects.size());
  for (const Reject &reject : rejects) {
    put_number(plain, reject.reason.size());
    put_number(plain, reject.record.size());
    plain.append(reject.reason).append(reject.record);
  }
  return compress(plain);
}

bool Page::is_answer(std::string_view packed) { return packed.starts_with(kAnswer); }

Page Page::unpack(std::string_view packed) {
  Page page;
  if (is_answer(packed)) {
    Cursor cursor{packed.substr(1)};
    page.answer_records = static_cast<int64_t>(cursor.number());
    page.answer = cursor.rest;
    return page;
  }
  page.storage = decompress(packed);
  Cursor cursor{page.storage};
  if (cursor.number() != kFormat) damaged();
  page.replaced_characters = static_cast<int64_t>(cursor.number());
  uint64_t count = cursor.number();
  page.records.reserve(std::min<uint64_t>(count, cursor.rest.size() / 4));
  for (; count > 0; --count) {
    uint64_t id = cursor.number(), modified = cursor.number(), raw = cursor.number();
    uint64_t deleted = cursor.number();
    Record record;
    record.deleted = deleted != 0;
    record.id = cursor.text(id);
    record.modified = cursor.text(modified);
    record.raw = cursor.text(raw);
    page.records.push_back(record);
  }
  count = cursor.number();
  page.unchanged.reserve(std::min<uint64_t>(count, cursor.rest.size()));
  for (; count > 0; --count) page.unchanged.push_back(cursor.text(cursor.number()));
  for (count = cursor.number(); count > 0; --count) {
    uint64_t reason = cursor.number(), record = cursor.number();
    Reject reject;
    reject.reason = cursor.text(reason);
    reject.record = cursor.text(record);
    page.rejects.push_back(std::move(reject));
  }
  if (!cursor.rest.empty()) damaged();
  return page;
}

}  // namespace supaglue
