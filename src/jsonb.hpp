// pure: JSON values into the bytes of jsonb values, byte for byte those that jsonb_in makes, and
// back into text. It knows the format of utils/jsonb.h and utils/numeric.c, which has been the same
// since Postgres 9.4, and nothing else of Postgres.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

/// Takes an object or an array piece by piece, from the outside in, and writes it. The keys are
/// those of an object's members; elsewhere they are ignored. Keys and texts are borrowed until the
/// value is written. Used again and again, it keeps its buffers.
class JsonbWriter {
 public:
  /// Forgets what was taken.
  void clear();
  void begin_object(std::string_view key = {});
  void begin_array(std::string_view key = {});
  void end();
  /// Valid UTF-8 without NUL.
  void add_string(std::string_view key, std::string_view text) { add(Kind::kString, key, text); }
  /// As JSON spells it, and not beyond what fits_jsonb() allows.
  void add_number(std::string_view key, std::string_view digits) {
    add(Kind::kNumber, key, digits);
  }
  void add_boolean(std::string_view key, bool value) {
    add(value ? Kind::kTrue : Kind::kFalse, key, {});
  }
  void add_null(std::string_view key) { add(Kind::kNull, key, {}); }

  /// A copy of a text, which lives as long as what was taken.
  std::string_view keep(std::string_view text);
  /// The text, with U+FFFD for every NUL, which no text of Postgres can hold; these are counted.
  std::string_view storable(std::string_view text, int64_t *replaced);

  /// Appends the value with its varlena header. Throws kData when it is larger than jsonb can be.
  void write(std::string *out);

 private:
  enum class Kind : uint8_t { kString, kNumber, kFalse, kTrue, kNull, kArray, kObject };
  /// A value: what is below a container follows it, up to `end`.
  struct Node {
    Kind kind;
    uint32_t end;
    std::string_view text;  // of strings and numbers
    std::string_view key;
  };
  /// The keys of the last object at a depth, and the order in which jsonb keeps them: records of
  /// one page have the same.
  struct Shape {
    std::string keys;
    std::vector<uint32_t> lengths;
    std::vector<uint32_t> order;  // of the pairs that stay, by their places in the text
  };
  /// Texts that are kept, in blocks that never move.
  struct Kept {
    std::vector<std::unique_ptr<char[]>> blocks;
    size_t used = 0;  // of the last block
    std::vector<std::string> large;
  };

  void add(Kind kind, std::string_view key, std::string_view text) {
    nodes_.push_back({kind, static_cast<uint32_t>(nodes_.size() + 1), text, key});
    // Two entries, the texts, and what aligns a number or a container and what stands before it.
    bound_ += 2 * sizeof(uint32_t) + text.size() + key.size() + 20;
  }
  void begin(Kind kind, std::string_view key);
  uint32_t write_value(uint32_t at, size_t depth);
  uint32_t write_number(std::string_view text);
  uint32_t write_container(uint32_t at, size_t depth);
  const std::vector<uint32_t> &order_of(const uint32_t *pairs, size_t count, size_t depth);
  bool has_shape(const Shape &shape, const uint32_t *pairs, size_t count) const;
  void align();

  std::vector<Node> nodes_;
  std::vector<uint32_t> open_;  // containers that have not ended
  size_t bound_ = 0;            // bytes that it needs at most
  Kept kept_;
  std::vector<uint32_t> children_;  // a stack: of the containers that are being written
  std::vector<Shape> shapes_;       // by depth
  char *start_ = nullptr;
  char *out_ = nullptr;
};

/// Adds true, false, null or a number, as JSON spells it; one that is beyond what Postgres can hold
/// as a text: whole, and no reason to lose the record.
void add_scalar(JsonbWriter &record, std::string_view key, std::string_view token);

/// The JSON text of a jsonb value, without blanks, its members in jsonb's order.
std::string jsonb_text(std::string_view jsonb);

}  // namespace supaglue
