// pure: a source reads one object of one customer from a provider, sans-IO: next() says what it
// wants, accept() takes the answer and gives back records. It does no I/O, knows no clock and no
// credentials. Its whole state is two JSON values: the plan, fixed once the metadata is known, and
// the cursor, which moves with each page; a source made from both goes on where that one stood.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connector.hpp"
#include "http.hpp"
#include "json.hpp"
#include "page.hpp"
#include "selection.hpp"
#include "pure.hpp"

namespace supaglue {

/// What is to be read.
struct Task {
  std::string object;               // the provider's exact name
  std::string since;                // only what was stamped at or after this; empty: everything
  bool with_deleted = true;         // also records that the provider flags as deleted
  bool keys_only = false;           // of each record no more than its id is wanted
  std::vector<std::string> fields;  // empty: every readable field
  std::vector<std::string> ids;     // only these; empty: all (a live scan's `id =`)
  std::vector<std::string> exclude_fields;
  Selection selection;   // what more is wanted of a live scan; as much of it as can be sent
  std::string metadata;  // what an earlier source learned (Source::metadata()) and may be relied
                         // on, as JSON; empty: nothing
  Json known;            // the same of the last run, when the object is to be learned anew
  bool live = false;     // somebody waits for the rows: no exports that take minutes
  int64_t now_ms = 0;    // when the reading began, by our clock
};

struct Done {};
using Want = std::variant<Request, Done>;

/// What accept() made of an answer.
struct Accepted {
  bool is_page = false;  // false: it was metadata; `page` is empty
  Page page;
  bool keep = false;  // the cursor is worth keeping although the page holds nothing
};

class Source {
 public:
  virtual ~Source() = default;
  /// The next request, with a path for a url, or Done. Without effect until accept().
  virtual Want next() const = 0;
  /// Takes a successful answer to next(). Throws Error (kProvider, kData, kObjectGone, ...).
  virtual Accepted accept(const Response &response) = 0;
  /// Takes an answer as accept() does, but leaves the records of its page to a PageReader; returns
  /// how many they are. Nothing, and without effect: it is to be accepted.
  virtual std::optional<int64_t> skim(const Response &) { return std::nullopt; }
  /// What next() will be once this answer to it is accepted, where a look at it tells; the request
  /// may be sent while accept() is at work. It need not be right.
  virtual std::optional<Request> next_after(const Response &) const { return std::nullopt; }
  /// A failing answer that the source knows how to go on from (a field that is gone: read the
  /// metadata again and ask once more): true when next() has changed.
  virtual bool recover(const Error &error) = 0;
  /// The fixed part of the state; null before the metadata is known.
  virtual Json plan() const = 0;
  /// The moving part: after Done it says so.
  virtual Json cursor() const = 0;
  /// What it learned of the object and is worth keeping with the sync: fields and their types;
  /// null: nothing yet. Good until it takes another answer.
  virtual Json metadata() const = 0;
  /// False: metadata() is what the task gave, word for word.
  virtual bool has_learned() const { return true; }
  /// The request in the provider's words, for EXPLAIN ("SELECT Id, ... FROM Opportunity").
  /// Uses no network: a field list that is not known yet is named as such.
  virtual std::string describe_request() const = 0;
  /// How many records the provider said there are in all; -1 unknown.
  virtual int64_t total() const { return -1; }
  /// How often recover() has gone back to the first page: records come again after that.
  virtual int restarts() const { return 0; }
  /// Whether accept() takes every answer of the provider, refusals too, and nothing is sent twice
  /// but for a token that was refused.
  virtual bool takes_refusals() const { return false; }
  /// Whether the records come in the selection's order; known with the first page.
  virtual bool is_ordered() const { return false; }
  /// Whether total() is what the selection counts, and no records come; known with the end.
  virtual bool is_counted() const { return false; }
};

/// Sets which fields are wanted, as a sync's config says, unless the task names some itself.
void choose_fields(Task &task, const std::string &config);

/// A new source for a task, or one that goes on from a plan and a cursor (both null: new).
/// Throws kBadDocument for an object that the connector cannot read.
std::unique_ptr<Source> make_source(std::shared_ptr<const Connector> connector, Task task,
                                    const Json &plan = nullptr, const Json &cursor = nullptr);

}  // namespace supaglue
