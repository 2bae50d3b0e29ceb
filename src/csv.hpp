// pure: a text of comma separated values (RFC 4180), taken apart by libcsv. It knows nothing of
// what the values mean: that the first line is a header is the reader's business.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

class CsvTable {
 public:
  size_t rows() const { return row_ends_.size(); }
  size_t width(size_t row) const { return row_ends_[row] - first_of(row); }
  std::string_view value(size_t row, size_t column) const;

 private:
  friend std::optional<CsvTable> read_csv(std::string_view text);
  friend struct CsvFiller;
  size_t first_of(size_t row) const { return row == 0 ? 0 : row_ends_[row - 1]; }

  std::string text_;                // all values, one after the other
  std::vector<size_t> value_ends_;  // where each ends in it
  std::vector<size_t> row_ends_;    // how many values there are up to the end of each row
};

/// Nothing when a quote is out of place or is not closed. Empty lines are no rows.
std::optional<CsvTable> read_csv(std::string_view text);

}  // namespace supaglue
