// pure: drives libcsv; see csv.hpp.
#include "csv.hpp"

#include <csv.h>

#include "pure.hpp"

namespace supaglue {

/// libcsv calls these from C, through which no exception may pass: whatever they write was reserved
/// before.
struct CsvFiller {
  static void value(void *bytes, size_t length, void *table) noexcept {
    auto *filled = static_cast<CsvTable *>(table);
    if (length > 0) filled->text_.append(static_cast<const char *>(bytes), length);
    filled->value_ends_.push_back(filled->text_.size());
  }
  static void row(int, void *table) noexcept {
    auto *filled = static_cast<CsvTable *>(table);
    filled->row_ends_.push_back(filled->value_ends_.size());
  }
};

namespace {

constexpr size_t kBlock = 64 << 10;

struct Parser {
  Parser() : good(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) == 0) {
    csv_set_blk_size(&parser, kBlock);
    // Blanks around a value belong to it.
    csv_set_space_func(&parser, [](unsigned char) { return 0; });
  }
  ~Parser() { csv_free(&parser); }
  Parser(const Parser &) = delete;
  Parser &operator=(const Parser &) = delete;

  csv_parser parser{};
  bool good;
};

size_t count(std::string_view text, char c) {
  size_t found = 0;
  for (size_t at = text.find(c); at != text.npos; at = text.find(c, at + 1)) ++found;
  return found;
}

}  // namespace

std::string_view CsvTable::value(size_t row, size_t column) const {
  const size_t at = first_of(row) + column;
  const size_t begin = at == 0 ? 0 : value_ends_[at - 1];
  return std::string_view(text_).substr(begin, value_ends_[at] - begin);
}

std::optional<CsvTable> read_csv(std::string_view text) {
  CsvTable table;
  const size_t lines = count(text, '\n') + count(text, '\r') + 1;
  table.text_.reserve(text.size());
  table.row_ends_.reserve(lines);
  table.value_ends_.reserve(lines + count(text, ','));
  Parser csv;
  const bool whole = csv.good &&
                     csv_parse(&csv.parser, text.data(), text.size(), CsvFiller::value,
                               CsvFiller::row, &table) == text.size() &&
                     csv_fini(&csv.parser, CsvFiller::value, CsvFiller::row, &table) == 0;
  if (!whole) return {};
  return table;
}

}  // namespace supaglue
