// pure: reads what a provider lists; see listing_source.hpp.
#include "provider/listing_source.hpp"

#include <algorithm>
#include <utility>

#include "encoding.hpp"
#include "error.hpp"
#include "jsonb.hpp"
#include "listing.hpp"
#include "provider/json_answer.hpp"
#include "provider/listing_page.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const char kAllFields[] = "<every field>";
constexpr size_t kLongestNumber = 19;  // digits that fit 64 bits

bool contains(const std::vector<std::string> &list, const std::string &item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool is_number(const std::string &text) {
  return !text.empty() && text.size() <= kLongestNumber && text[0] != '0' &&
         text.find_first_not_of("0123456789") == text.npos;
}

std::string joined(const std::vector<std::string> &parts) {
  std::string out;
  for (const std::string &part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

void fill_in(std::string &path, std::string_view name, const std::string &value) {
  size_t at = path.find(name);
  if (at != path.npos) path.replace(at, name.size(), url_encoded(value));
}

void set_parameter(Parameters &parameters, const std::string &name, const std::string &value) {
  auto found = std::find_if(parameters.begin(), parameters.end(),
                            [&](const auto &parameter) { return parameter.first == name; });
  if (found == parameters.end()) found = parameters.insert(found, {name, ""});
  found->second = value;
}

/// Encoded, but for commas: they may stand as they are, and keep the address of many names short.
std::string list_encoded(std::string_view text) {
  std::string out;
  for (size_t comma; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1)) {
    out += url_encoded(text.substr(0, comma)) + ',';
  }
  return out + url_encoded(text);
}

std::string with_query(std::string path, const Parameters &parameters) {
  char between = '?';
  for (const auto &[name, value] : parameters) {
    path += between + url_encoded(name) + '=' + list_encoded(value);
    between = '&';
  }
  return path;
}

/// A key's value as text: ids come as numbers, too.
std::string text_of(const Json &item, const std::string &key) {
  if (!item.is_object() || !item.contains(key)) return {};
  const Json &value = item[key];
  return value.is_string()           ? value.get<std::string>()
         : value.is_number_integer() ? value.dump()
                                     : std::string();
}

class ListingSource : public Source {
 public:
  ListingSource(std::shared_ptr<const Connector> connector, Task task, const Json &plan,
                const Json &cursor);

  Want next() const override;
  Accepted accept(const Response &response) override;
  bool recover(const Error &error) override;
  int restarts() const override { return cursor_.value("restarts", 0); }
  Json plan() const override { return plan_; }
  Json cursor() const override { return cursor_; }
  Json metadata() const override { return plan_.is_null() ? plan_ : plan_.at("metadata"); }
  bool has_learned() const override { return has_learned_; }
  std::string describe_request() const override;

 private:
  // What is asked before the first record.
  bool is_learned(const Json &metadata) const;
  Request learning_request() const;
  void learn(const Response &response);
  Json items_of(const Response &response, const std::string &pointer) const;
  Json fields_of(const Response &response) const;
  Json lookup_of(const Lookup &lookup, const Response &response) const;
  void make_plan(Json metadata);
  bool is_archive_due() const;
  void read_plan();

  // The records.
  bool reads_one_by_one() const;
  void begin_with_ids();
  Request page_request(const std::vector<std::string> &names) const;
  Request batch_request() const;
  Page accept_batch(const Response &response);
  Page accept_list(const Response &response);
  void postpone(Page page);
  void go_on(const std::string &next);
  bool start_over(const Error &error);
  void go_on_by_id();
  void end_pass();
  void drop_others(Page *page) const;
  ListingShape shape(const std::string &records) const;

  std::shared_ptr<const Connector> connector_;
  const ListedObject *object_;
  const RecordList *listing_;
  Task task_;
  bool has_learned_ = true;
  Json draft_;  // of the metadata, while it is learned
  Json plan_;
  Json cursor_ = Json::object();
  std::vector<Reject> rejects_;     // of the page whose records are pending
  std::vector<std::string> names_;  // of the plan: the values that are read
  std::map<std::string, ListedType, std::less<>> types_;
};

ListingSource::ListingSource(std::shared_ptr<const Connector> connector, Task task,
                             const Json &plan, const Json &cursor)
    : connector_(std::move(connector)), task_(std::move(task)) {
  auto object = connector_->listings.objects.find(task_.object);
  if (object == connector_->listings.objects.end()) {
    throw Error(ErrorClass::kBadDocument,
                connector_->name + " has no object \"" + clipped(task_.object) + "\"", {},
                connector_->offered_objects());
  }
  object_ = &object->second;
  listing_ = &connector_->listings.lists.at(object_->list);
  const bool is_by_ids = !task_.ids.empty();
  std::erase_if(task_.ids, [&](const std::string &id) {
    return id.empty() || (listing_->numeric_ids && !is_number(id));
  });
  if (cursor.is_object()) {
    cursor_ = cursor;
  } else if (is_by_ids) {
    begin_with_ids();
  }
  Json metadata = Json::parse(task_.metadata, nullptr, false);
  if (plan.is_object()) {
    plan_ = plan;
    read_plan();
  } else if (is_learned(metadata)) {
    if (!task_.live && task_.known.is_null()) task_.known = metadata;
    has_learned_ = false;
    make_plan(std::move(metadata));
  } else {
    draft_ = {{"fields", nullptr}, {"stamp", nullptr}, {"deleted", listing_->deleted}};
    draft_["lookups"] = Json::object();
    if (!listing_->fields) draft_["fields"] = Json::array();
    if (is_learned(draft_)) make_plan(std::exchange(draft_, nullptr));
  }
}

Want ListingSource::next() const {
  const bool is_pending = cursor_.contains("pending");
  if (cursor_.value("done", false) && !is_pending) return Done{};
  if (plan_.is_null()) return learning_request();
  if (is_pending) return batch_request();
  return page_request(plan_.at("wide") == true ? std::vector<std::string>() : names_);
}

Accepted ListingSource::accept(const Response &response) {
  if (plan_.is_null()) {
    learn(response);
    return {};
  }
  Accepted accepted;
  if (cursor_.contains("pending")) {
    accepted.page = accept_batch(response);
  } else {
    accepted.page = accept_list(response);
    if (plan_.at("wide") == true && !accepted.page.records.empty()) {
      postpone(std::move(accepted.page));
      return {};
    }
  }
  accepted.is_page = true;
  return accepted;
}

// A record that is asked for by its id and is not there is no error.
// The place that a page's answer told is good for a while, or until the provider changes. From the
// start, then: everything but that place was good enough for the first page.
bool ListingSource::start_over(const Error &error) {
  constexpr int kMostRestarts = 3;
  const bool is_refused = error.error_class == ErrorClass::kProvider &&
                          (error.detail.find("HTTP 400") != error.detail.npos ||
                           error.detail.find("HTTP 410") != error.detail.npos);
  if (!is_refused || plan_.is_null() || !cursor_.contains("after") || cursor_.contains("pending") ||
      restarts() >= kMostRestarts) {
    return false;
  }
  cursor_ = {{"restarts", restarts() + 1}};
  return true;
}

bool ListingSource::recover(const Error &error) {
  if (start_over(error)) return true;
  if (error.error_class != ErrorClass::kObjectGone || plan_.is_null() || !reads_one_by_one() ||
      cursor_.contains("pending")) {
    return false;
  }
  go_on_by_id();
  return true;
}

// ---- what is asked before the first record ----

// Metadata that this version wrote and that holds all that is needed; an older form is learned
// anew.
bool ListingSource::is_learned(const Json &metadata) const {
  if (!metadata.is_object() || !metadata.contains("fields") || !metadata["fields"].is_array() ||
      !metadata.contains("lookups") || !metadata["lookups"].is_object()) {
    return false;
  }
  return std::all_of(object_->lookups.begin(), object_->lookups.end(),
                     [&](const std::string &name) { return metadata["lookups"].contains(name); });
}

Request ListingSource::learning_request() const {
  Request request;
  request.headers = {{"Accept", "application/json"}};
  if (draft_["fields"].is_null()) {
    request.url = listing_->fields->path;
  } else {
    for (const std::string &name : object_->lookups) {
      if (!draft_["lookups"].contains(name)) {
        request.url = connector_->listings.lookups.at(name).path;
        break;
      }
    }
  }
  fill_in(request.url, "{api_name}", object_->api_name);
  return request;
}

void ListingSource::learn(const Response &response) {
  if (draft_["fields"].is_null()) {
    draft_["fields"] = fields_of(response);
  } else {
    for (const std::string &name : object_->lookups) {
      if (draft_["lookups"].contains(name)) continue;
      draft_["lookups"][name] = lookup_of(connector_->listings.lookups.at(name), response);
      break;
    }
  }
  if (is_learned(draft_)) make_plan(std::exchange(draft_, nullptr));
}

Json ListingSource::items_of(const Response &response, const std::string &pointer) const {
  const Json answer = Json::parse(response.body, nullptr, false);
  if (answer.is_discarded()) {
    throw malformed_answer(connector_->name, "It is cut off or damaged.");
  }
  const Json::json_pointer where(pointer);
  if (!answer.is_structured() || !answer.contains(where) || !answer[where].is_array()) {
    throw malformed_answer(connector_->name, "It has no \"" + pointer + "\".");
  }
  return answer[where];
}

Json ListingSource::fields_of(const Response &response) const {
  Json fields = Json::array();
  for (const Json &item : items_of(response, listing_->fields->records)) {
    std::string name = text_of(item, listing_->fields->name);
    std::string type = text_of(item, listing_->fields->type);
    if (name.empty() || type.empty()) {
      throw malformed_answer(connector_->name, "It has a field without name or type.");
    }
    // A name with a comma cannot be asked for.
    if (name.find(',') == name.npos) fields.push_back({{"name", name}, {"type", type}});
  }
  return fields;
}

Json ListingSource::lookup_of(const Lookup &lookup, const Response &response) const {
  Json found = Json::object();
  for (const Json &item : items_of(response, lookup.records)) {
    Json entry = Json::object();
    for (const std::string &value : lookup.values) entry[value] = text_of(item, value);
    for (const Lookup::Nested &nested : lookup.nested) {
      Json labels = Json::object();
      const Json list = item.is_object() ? item.value(nested.records, Json()) : Json();
      if (list.is_array()) {
        for (const Json &inner : list) {
          labels[text_of(inner, nested.key)] = text_of(inner, nested.value);
        }
      }
      entry[nested.name] = std::move(labels);
    }
    found[text_of(item, lookup.key)] = std::move(entry);
  }
  return found;
}

void ListingSource::make_plan(Json metadata) {
  Json names = Json::array();
  for (const Json &field : metadata["fields"]) {
    std::string name = field["name"].get<std::string>();
    bool wanted = !task_.keys_only && (task_.fields.empty() || contains(task_.fields, name)) &&
                  !contains(task_.exclude_fields, name);
    if (wanted) names.push_back(name);
  }
  const bool archive = is_archive_due();
  // It is of no use before there are rows: what is archived before it is stored never is.
  if (listing_->has_archive) {
    const Json &known = task_.known;
    const bool was_read = known.is_object() && known.contains("archived_read_at");
    if (archive || !was_read) has_learned_ = true;
    metadata["archived_read_at"] =
        archive || !was_read ? Json(task_.now_ms) : known["archived_read_at"];
  }
  plan_ = {{"names", names}, {"wide", false}, {"archive", archive}};
  plan_["metadata"] = std::move(metadata);
  read_plan();
  if (page_request(names_).url.size() <= listing_->longest_url) return;
  if (!listing_->batch) {
    throw Error(ErrorClass::kProvider,
                "the request for \"" + task_.object + "\" of " + connector_->name + " is too long",
                "It names " + std::to_string(names_.size()) + " fields.",
                "Leave fields out with \"exclude_fields\".");
  }
  plan_["wide"] = true;
}

bool ListingSource::is_archive_due() const {
  if (!listing_->has_archive || !task_.with_deleted || !task_.ids.empty()) return false;
  if (!task_.known.is_object() || !task_.known.contains("archived_read_at")) return false;
  const Json &read_at = task_.known["archived_read_at"];
  return !read_at.is_number() ||
         task_.now_ms - read_at.get<int64_t>() >= listing_->archive_every_ms;
}

void ListingSource::read_plan() {
  names_ = plan_.at("names").get<std::vector<std::string>>();
  for (const Json &field : plan_.at("metadata").at("fields")) {
    const std::string name = field.at("name").get<std::string>();
    if (!contains(names_, name)) continue;
    auto type = listing_->fields->types.find(field.at("type").get<std::string>());
    types_[name] = type == listing_->fields->types.end() ? ListedType::kText : type->second;
  }
}

// ---- the records ----

/// What a batch answers has no associations.
bool ListingSource::reads_one_by_one() const {
  return !task_.ids.empty() && !listing_->one_path.empty() &&
         !(listing_->batch && object_->associations.empty());
}

void ListingSource::begin_with_ids() {
  if (task_.ids.empty()) {
    cursor_["done"] = true;
  } else if (listing_->batch && object_->associations.empty()) {
    for (const std::string &id : task_.ids) cursor_["pending"][id] = nullptr;
    cursor_["done"] = true;
  }
}

Request ListingSource::page_request(const std::vector<std::string> &names) const {
  Request request;
  request.headers = {{"Accept", "application/json"}};
  Parameters parameters;
  const bool is_one = reads_one_by_one();
  if (is_one) {
    request.url = listing_->one_path;
    const size_t at = std::min(cursor_.value("at", size_t{0}), task_.ids.size() - 1);
    fill_in(request.url, "{id}", task_.ids[at]);
  } else {
    request.url = listing_->path;
    parameters = listing_->query;
    if (cursor_.value("archive", false)) {
      for (const auto &[name, value] : listing_->archive_query) {
        set_parameter(parameters, name, value);
      }
    }
  }
  fill_in(request.url, "{api_name}", object_->api_name);
  if (!names.empty()) set_parameter(parameters, listing_->fields->parameter, joined(names));
  if (!object_->associations.empty()) {
    set_parameter(parameters, listing_->associations_parameter, joined(object_->associations));
  }
  if (!is_one && cursor_.contains("after")) {
    set_parameter(parameters, listing_->next_parameter, cursor_["after"].get<std::string>());
  }
  request.url = with_query(std::move(request.url), parameters);
  return request;
}

Request ListingSource::batch_request() const {
  const ListedBatch &batch = *listing_->batch;
  Request request;
  request.method = "POST";
  request.headers = {{"Accept", "application/json"}, {"Content-Type", "application/json"}};
  request.url = batch.path;
  fill_in(request.url, "{api_name}", object_->api_name);
  if (cursor_.value("archive", false)) {
    request.url = with_query(std::move(request.url), listing_->archive_query);
  }
  Json inputs = Json::array();
  for (const auto &[id, associations] : cursor_["pending"].items()) {
    if (inputs.size() == batch.most) break;
    inputs.push_back({{batch.id, id}});
  }
  request.body = Json{{batch.inputs, inputs}, {batch.fields, names_}}.dump();
  return request;
}

ListingShape ListingSource::shape(const std::string &records) const {
  ListingShape shape;
  shape.provider = connector_->name;
  shape.listing = listing_;
  shape.records = records;
  return shape;
}

Page ListingSource::accept_batch(const Response &response) {
  Associations associations;
  Json &pending = cursor_["pending"];
  for (const auto &[id, found] : pending.items()) {
    if (!found.is_null()) associations[id] = found;
  }
  ListingShape expected = shape(listing_->batch->records);
  expected.types = types_;
  expected.associations = &associations;
  Page page = read_listing_answer(response.body, expected).page;
  // The id of a record that was merged leads to another, which the list has in its own place.
  std::erase_if(page.records,
                [&](const Record &record) { return !pending.contains(std::string(record.id)); });
  for (size_t i = 0; i < listing_->batch->most && !pending.empty(); ++i) {
    pending.erase(pending.begin());
  }
  if (pending.empty()) {
    cursor_.erase("pending");
    if (cursor_.value("ended", false)) end_pass();
  }
  for (Reject &reject : std::exchange(rejects_, {})) page.rejects.push_back(std::move(reject));
  return page;
}

Page ListingSource::accept_list(const Response &response) {
  const bool is_one = reads_one_by_one();
  ListingShape expected = shape(is_one ? "" : listing_->records);
  if (plan_.at("wide") == false) expected.types = types_;
  ListingAnswer answer = read_listing_answer(response.body, expected);
  drop_others(&answer.page);
  // The second pass begins when what is postponed of the first has been read.
  const bool postpones = plan_.at("wide") == true && !answer.page.records.empty();
  if (is_one) {
    go_on_by_id();
  } else if (!answer.next.empty()) {
    go_on(answer.next);
  } else if (postpones) {
    cursor_["ended"] = true;
  } else {
    end_pass();
  }
  return std::move(answer.page);
}

// Of a record of many values the list gives the id and the associations; the rest is read after.
void ListingSource::postpone(Page page) {
  Json pending = Json::object();
  for (const Record &record : page.records) {
    const Json raw = Json::parse(jsonb_text(record.raw));
    pending[std::string(record.id)] = raw.value(listing_->associations, Json());
  }
  cursor_["pending"] = std::move(pending);
  rejects_ = std::move(page.rejects);
}

// A page that was read before would lead round for ever. One is remembered, at the first, second,
// fourth, eighth ... page: no circle escapes it.
void ListingSource::go_on(const std::string &next) {
  if (next == cursor_.value("after", "") || next == cursor_.value("mark", "")) {
    throw malformed_answer(connector_->name,
                           "It names a page as the next one that was read before.");
  }
  const int64_t pages = cursor_.value("pages", int64_t{0}) + 1;
  cursor_["after"] = next;
  cursor_["pages"] = pages;
  if ((pages & (pages - 1)) == 0) cursor_["mark"] = next;
}

void ListingSource::go_on_by_id() {
  const size_t at = cursor_.value("at", size_t{0}) + 1;
  cursor_["at"] = at;
  if (at >= task_.ids.size()) cursor_["done"] = true;
}

void ListingSource::end_pass() {
  const bool was_archive = cursor_.value("archive", false);
  for (const char *key : {"after", "pages", "mark", "ended"}) cursor_.erase(key);
  if (plan_.at("archive") == true && !was_archive) {
    cursor_["archive"] = true;
  } else {
    cursor_["done"] = true;
  }
}

/// Where only some ids are wanted, whatever came with them is left out.
void ListingSource::drop_others(Page *page) const {
  if (task_.ids.empty()) return;
  std::erase_if(page->records,
                [&](const Record &record) { return !contains(task_.ids, std::string(record.id)); });
}

std::string ListingSource::describe_request() const {
  if (!plan_.is_null() && cursor_.contains("pending")) {
    const Request request = batch_request();
    return request.method + " " + request.url;
  }
  std::vector<std::string> names = plan_.is_null() ? task_.fields : names_;
  if (plan_.is_null() && names.empty() && listing_->fields) {
    std::string url = page_request({}).url;
    url += url.find('?') == url.npos ? '?' : '&';
    return "GET " + url + listing_->fields->parameter + "=" + kAllFields;
  }
  if (!listing_->fields) names.clear();
  return "GET " + page_request(names).url;
}

}  // namespace

std::unique_ptr<Source> make_listing_source(std::shared_ptr<const Connector> connector, Task task,
                                            const Json &plan, const Json &cursor) {
  return std::make_unique<ListingSource>(std::move(connector), std::move(task), plan, cursor);
}

}  // namespace supaglue
