// pure: makes a page record by record; see page_writer.hpp.
#include "page_writer.hpp"

#include <utility>

#include "encoding.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kLongestReject = 2000;  // bytes
constexpr size_t kLongestId = 255;       // it is part of a key

}  // namespace

void PageWriter::begin() {
  known = {};
  record.clear();
  record.begin_object();
}

void PageWriter::end(const std::string &id_name) {
  record.end();
  if (known.id.empty()) return set_aside("the record has no " + id_name);
  if (known.id.size() > kLongestId) return set_aside("the record's " + id_name + " is too long");
  std::string &out = page_.storage;
  out.append(known.id).append(known.modified);
  const size_t at = out.size();
  record.write(&out);
  lengths_.push_back({known.id.size(), known.modified.size(), out.size() - at, known.deleted});
}

void PageWriter::set_aside(std::string reason) {
  std::string raw;
  record.write(&raw);
  reject(std::move(reason), jsonb_text(raw));
}

void PageWriter::reject(std::string reason, std::string_view received) {
  page_.rejects.push_back({std::move(reason), clipped(received, kLongestReject)});
}

Page PageWriter::finish(int64_t replaced_characters) {
  page_.replaced_characters = replaced_characters;
  std::string_view rest = page_.storage;
  const auto next = [&](size_t length) {
    const std::string_view text = rest.substr(0, length);
    rest.remove_prefix(length);
    return text;
  };
  page_.records.reserve(lengths_.size());
  for (const Lengths &lengths : lengths_) {
    Record kept;
    kept.id = next(lengths.id);
    kept.modified = next(lengths.modified);
    kept.raw = next(lengths.raw);
    kept.deleted = lengths.deleted;
    page_.records.push_back(kept);
  }
  return std::move(page_);
}

}  // namespace supaglue
