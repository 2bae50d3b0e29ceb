// pure: reads Salesforce by SOQL; see salesforce.hpp.
#include "provider/salesforce.hpp"

#include <algorithm>
#include <utility>

#include "encoding.hpp"
#include "error.hpp"
#include "provider/salesforce_bulk.hpp"
#include "provider/salesforce_metadata.hpp"
#include "provider/salesforce_page.hpp"
#include "provider/soql.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr int kMostRestarts = 3;
const char kAllFields[] = "<every readable field>";

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Salesforce refuses a query for what is no id; nothing can be found by it either.
bool is_id(std::string_view text) {
  return (text.size() == 15 || text.size() == 18) && is_word(text) && text.find('_') == text.npos;
}

bool contains(const std::vector<std::string> &list, const std::string &item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string form_encoded(std::string_view text) {
  static const char digits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (is_word({reinterpret_cast<const char *>(&c), 1}) ||
        std::string_view("-.~,():*").find(static_cast<char>(c)) != std::string_view::npos) {
      out += static_cast<char>(c);
    } else if (c == ' ') {
      out += '+';
    } else {
      out += {'%', digits[c >> 4], digits[c & 15]};
    }
  }
  return out;
}

std::string joined(const std::vector<std::string> &parts, const char *between) {
  std::string out;
  for (const std::string &part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

/// The strategy's part of the connector document.
struct Settings {
  explicit Settings(const Json &json)
      : describe_path(json.value("describe_path", "")),
        query_path(json.value("query_path", "")),
        query_all_path(json.value("query_all_path", "")),
        batch_header(json.value("batch_header", "Sforce-Query-Options")),
        page_size(json.value("page_size", 2000)),
        longest_url(json.value("longest_url", size_t{14000})),
        id_field(json.value("id_field", "Id")),
        stamp_fields(json.value("stamp_fields", std::vector<std::string>{})),
        deleted_field(json.value("deleted_field", "IsDeleted")),
        stamp_types(json.value("stamp_types", std::vector<std::string>{})),
        boolean_types(json.value("boolean_types", std::vector<std::string>{})),
        number_types(json.value("number_types", std::vector<std::string>{})),
        untyped_types(json.value("untyped_types", std::vector<std::string>{})),
        excluded_types(json.value("excluded_types", std::vector<std::string>{})),
        unreadable_suffixes(json.value("unreadable_suffixes", std::vector<std::string>{})) {}

  std::string describe_path, query_path, query_all_path;
  std::string batch_header;
  int page_size;
  size_t longest_url;
  std::string id_field;
  std::vector<std::string> stamp_fields;
  std::string deleted_field;
  std::vector<std::string> stamp_types, boolean_types, number_types, untyped_types;
  std::vector<std::string> excluded_types, unreadable_suffixes;
};

SalesforceFields fields_of(const Settings &settings, const SoqlObject &object) {
  SalesforceFields fields;
  fields.id = settings.id_field;
  fields.stamp = object.stamp_field;
  fields.deleted = object.deleted_field;
  for (const SoqlField &field : object.fields) {
    if (contains(settings.stamp_types, field.type)) fields.stamps.insert(field.name);
    if (contains(settings.boolean_types, field.type)) fields.booleans.insert(field.name);
    if (contains(settings.number_types, field.type)) fields.numbers.insert(field.name);
    if (contains(settings.untyped_types, field.type)) fields.untyped.insert(field.name);
  }
  return fields;
}

class SalesforcePageReader : public PageReader {
 public:
  SalesforcePageReader(SalesforceFields fields, std::vector<std::string> columns)
      : fields_(std::move(fields)), columns_(std::move(columns)) {}

  // The CSV of a job begins with a column's name.
  Page read(const std::string &body, int64_t records) const override {
    if (!body.starts_with('{')) return read_salesforce_csv(body, records, columns_, fields_);
    return std::move(read_salesforce_answer(body, fields_).page);
  }

 private:
  SalesforceFields fields_;
  std::vector<std::string> columns_;
};

/// What of a selection a query says.
struct Chosen {
  std::string condition;
  bool joined = false;   // the condition is one of several, or of one or the other
  bool nothing = false;  // nothing can be found
  std::string order;
  int64_t limit = -1;
  bool count = false;
};

class SalesforceSource : public Source {
 public:
  SalesforceSource(std::shared_ptr<const Connector> connector, Task task, const Json &plan,
                   const Json &cursor);

  Want next() const override;
  std::optional<Request> next_after(const Response &response) const override;
  Accepted accept(const Response &response) override;
  std::optional<int64_t> skim(const Response &response) override;
  bool recover(const Error &error) override;
  Json plan() const override;
  Json cursor() const override { return cursor_; }
  Json metadata() const override { return is_planned() ? Json::parse(metadata_) : Json(); }
  bool has_learned() const override { return has_learned_; }
  std::string describe_request() const override;
  int64_t total() const override { return total_; }
  int restarts() const override { return cursor_.value("restarts", 0); }
  bool is_ordered() const override { return ordered_; }
  bool is_counted() const override { return total_ == 0 || counted_; }

 private:
  Request request_of_page(std::string url) const;
  void check_task();
  bool may_go_by_bulk() const;
  void go_on_behind(const SalesforceAnswer &answer);
  void finish();
  void start_over(bool describe_again);
  bool go_by_rest_instead(const Error &error);
  Json learn(const Response &response) const;
  bool is_planned() const { return !metadata_.empty(); }
  void make_plan(std::string metadata, SoqlObject object);
  void read_plan(const Json &plan);
  const SalesforceFields &fields();
  bool fits(const std::string &query) const;
  std::vector<std::string> select() const;
  Error too_long(ErrorClass error_class, const std::string &detail) const;
  SoqlObject selectable() const;
  Chosen choose(const SoqlObject &known) const;
  std::string soql(const std::string &fields, const std::string &stamp, const Chosen &chosen) const;
  std::string query_url(const std::string &query) const;

  std::shared_ptr<const Connector> connector_;
  Settings settings_;
  SalesforceBulk bulk_;
  Task task_;
  bool has_learned_ = false;
  std::string metadata_;   // as JSON; empty: there is no plan yet
  SoqlObject object_;      // ... as it says
  SalesforceQuery query_;  // of the plan
  std::string count_;  // asks how many there are, where the query is too long to be asked itself
  bool ordered_ = false, counted_ = false;
  SalesforceFields fields_;  // of the metadata, once there is a page; its id is empty before
  Json cursor_ = Json::object();
  int64_t total_ = -1;
};

SalesforceSource::SalesforceSource(std::shared_ptr<const Connector> connector, Task task,
                                   const Json &plan, const Json &cursor)
    : connector_(std::move(connector)),
      settings_(connector_->settings),
      bulk_(connector_->settings),
      task_(std::move(task)) {
  check_task();
  if (cursor.is_object()) cursor_ = cursor;
  if (cursor_.contains("bulk")) total_ = cursor_["bulk"].value("records", int64_t{-1});
  if (!task_.ids.empty()) {
    std::erase_if(task_.ids, [](const std::string &id) { return !is_id(id); });
    if (task_.ids.empty()) {
      total_ = 0;
      cursor_["done"] = true;
    }
  }
  if (plan.is_object()) {
    read_plan(plan);
  } else if (auto known = read_salesforce_metadata(task_.metadata)) {
    make_plan(std::move(task_.metadata), std::move(*known));
  }
}

void SalesforceSource::check_task() {
  bool readable = is_word(task_.object);
  for (const std::string &suffix : settings_.unreadable_suffixes) {
    if (task_.object.ends_with(suffix)) readable = false;
  }
  if (!readable) {
    throw Error(ErrorClass::kBadDocument,
                "object \"" + clipped(task_.object) + "\" of salesforce cannot be read",
                "Its query API does not offer such objects.");
  }
  if (task_.since.empty()) return;
  std::optional<int64_t> since = read_stamp(task_.since);
  if (!since) throw Error(ErrorClass::kInternal, "\"" + task_.since + "\" is not a stamp");
  task_.since = write_stamp(*since);
}

Want SalesforceSource::next() const {
  if (cursor_.value("done", false)) return Done{};
  Request request;
  if (!is_planned()) {
    request.url = settings_.describe_path;
    size_t at = request.url.find("{object}");
    if (at != std::string::npos) request.url.replace(at, 8, task_.object);
    return request;
  }
  if (cursor_.contains("bulk")) return bulk_.next(cursor_["bulk"], query_);
  if (cursor_.contains("next")) return request_of_page(cursor_["next"].get<std::string>());
  request = request_of_page(query_url(count_.empty() ? query_.soql : count_));
  request.host_relative = false;
  return request;
}

Request SalesforceSource::request_of_page(std::string url) const {
  Request request;
  request.headers.push_back(
      {settings_.batch_header, "batchSize=" + std::to_string(settings_.page_size)});
  request.host_relative = url.starts_with('/');
  request.url = std::move(url);
  return request;
}

std::optional<Request> SalesforceSource::next_after(const Response &response) const {
  if (!is_planned()) return std::nullopt;
  if (cursor_.contains("bulk")) return bulk_.next_after(response, cursor_["bulk"], query_);
  // After the first page it may go by a job.
  if (!cursor_.contains("next") && may_go_by_bulk()) return std::nullopt;
  std::string next = salesforce_next_page(response.body);
  if (next.empty()) return std::nullopt;
  return request_of_page(std::move(next));
}

Accepted SalesforceSource::accept(const Response &response) {
  if (!is_planned()) {
    std::string metadata = learn(response).dump();
    SoqlObject object = read_salesforce_metadata(metadata).value();
    make_plan(std::move(metadata), std::move(object));
    has_learned_ = true;
    return {};
  }
  if (cursor_.contains("bulk")) {
    Json &job = cursor_["bulk"];
    Accepted accepted = bulk_.accept(response, query_, fields(), job);
    if (job.contains("records")) total_ = job["records"].get<int64_t>();
    if (job.contains("done")) finish();
    return accepted;
  }
  SalesforceAnswer answer = read_salesforce_answer(response.body, fields());
  if (answer.total >= 0) total_ = answer.total;
  if (!cursor_.contains("next") && may_go_by_bulk()) {
    if (!count_.empty() ? answer.total > 0 : !answer.done && bulk_.suits(answer.total)) {
      cursor_["bulk"] = Json::object();
      return {};
    }
  }
  go_on_behind(answer);
  return {true, std::move(answer.page)};
}

std::optional<int64_t> SalesforceSource::skim(const Response &response) {
  if (!is_planned()) return std::nullopt;
  if (cursor_.contains("bulk")) {
    Json &job = cursor_["bulk"];
    const std::optional<int64_t> count = bulk_.skim(response, query_, job);
    if (job.contains("done")) finish();
    return count;
  }
  // After the first page it may go by a job.
  if (!cursor_.contains("next") && may_go_by_bulk()) return std::nullopt;
  if (!response.body.starts_with('{')) return std::nullopt;
  const SalesforceAnswer answer = skim_salesforce_answer(response.body);
  if (answer.total >= 0) total_ = answer.total;
  go_on_behind(answer);
  return answer.records;
}

void SalesforceSource::go_on_behind(const SalesforceAnswer &answer) {
  if (answer.done) {
    finish();
  } else {
    salesforce_go_on(cursor_, answer.next);
  }
}

// A job takes its time, and is only good for reading many records.
bool SalesforceSource::may_go_by_bulk() const {
  return bulk_.is_offered() && !task_.live && task_.ids.empty() && !cursor_.value("rest", false);
}

void SalesforceSource::finish() {
  for (const char *key : {"next", "pages", "mark", "bulk", "rest"}) cursor_.erase(key);
  cursor_["done"] = true;
}

// From the start: records that come twice are no harm to the merge.
void SalesforceSource::start_over(bool describe_again) {
  Json cursor = {{"restarts", restarts() + 1}};
  if (describe_again || cursor_.contains("described_again")) cursor["described_again"] = true;
  if (cursor_.contains("rest")) cursor["rest"] = true;
  cursor_ = std::move(cursor);
  if (describe_again) metadata_.clear();
}

// Some objects have no jobs, and an org has only so many a day: whatever the reason, the query API
// may do it yet.
bool SalesforceSource::go_by_rest_instead(const Error &error) {
  if (error.error_class != ErrorClass::kProvider && error.error_class != ErrorClass::kPermission &&
      error.error_class != ErrorClass::kObjectGone) {
    return false;
  }
  if (!count_.empty()) {
    throw too_long(error.error_class, "The Bulk API does not take it either: " + error.detail);
  }
  cursor_.erase("bulk");
  cursor_["rest"] = true;
  return true;
}

bool SalesforceSource::recover(const Error &error) {
  if (!is_planned()) return false;
  const auto says = [&](const char *words) {
    return error.detail.find(words) != std::string::npos;
  };
  const bool has_bulk = cursor_.contains("bulk");
  const bool has_job = has_bulk && cursor_["bulk"].contains("id");
  const bool field_gone = error.error_class == ErrorClass::kFieldGone;
  if (has_bulk && !has_job && !field_gone) return go_by_rest_instead(error);
  const bool too_much = says("QUERY_TIMEOUT") || says("HTTP 414") || says("HTTP 431");
  if (too_much && !has_bulk && !cursor_.contains("next") && may_go_by_bulk()) {
    cursor_["bulk"] = Json::object();
    return true;
  }
  const bool page_gone = (has_job || cursor_.contains("next")) && says("INVALID_QUERY_LOCATOR");
  const bool job_gone =
      has_job && (error.error_class == ErrorClass::kObjectGone || says("INVALIDJOBSTATE"));
  const bool describe_again = field_gone && !cursor_.value("described_again", false);
  if (restarts() >= kMostRestarts || !(describe_again || page_gone || job_gone)) return false;
  start_over(describe_again);
  return true;
}

// What a field cannot do, and how exact a number is; a formula may be more exact than it says.
void note_abilities(const Json &described, Json &field) {
  for (const char *ability : {"filterable", "sortable"}) {
    const auto found = described.find(ability);
    if (found != described.end() && *found == false) field[ability] = false;
  }
  const auto scale = described.find("scale");
  const auto calculated = described.find("calculated");
  if (scale != described.end() && scale->is_number_integer() &&
      !(calculated != described.end() && *calculated == true))
    field["scale"] = *scale;
}

// What describe says of the object: the fields that can be selected, and those with a part to play.
Json SalesforceSource::learn(const Response &response) const {
  Json described = Json::parse(response.body, nullptr, false);
  if (described.is_discarded()) throw salesforce_malformed("It is cut off or damaged.");
  if (!described.is_object() || !described.contains("fields") || !described["fields"].is_array()) {
    throw salesforce_malformed("It has no \"fields\".");
  }
  if (described.contains("queryable") && described["queryable"] == false) {
    throw Error(ErrorClass::kObjectGone,
                "object \"" + task_.object + "\" of salesforce cannot be queried",
                "The provider says so in its description.");
  }
  Json fields = Json::array();
  std::vector<std::string> names;
  for (const Json &field : described["fields"]) {
    bool named = field.is_object() && field.contains("name") && field["name"].is_string() &&
                 field.contains("type") && field["type"].is_string();
    if (!named) throw salesforce_malformed("It has a field without name or type.");
    std::string name = field["name"].get<std::string>(), type = field["type"].get<std::string>();
    if (!is_word(name) || contains(settings_.excluded_types, type)) continue;
    fields.push_back({{"name", name}, {"type", type}});
    note_abilities(field, fields.back());
    names.push_back(name);
  }
  if (!contains(names, settings_.id_field)) {
    throw Error(ErrorClass::kObjectGone, "object \"" + task_.object + "\" of salesforce has no " +
                                             settings_.id_field + " that may be read");
  }
  Json metadata = {{"fields", fields}, {"stamp", nullptr}, {"deleted", nullptr}};
  for (const std::string &stamp : settings_.stamp_fields) {
    if (metadata["stamp"].is_null() && contains(names, stamp)) metadata["stamp"] = stamp;
  }
  if (contains(names, settings_.deleted_field)) metadata["deleted"] = settings_.deleted_field;
  return metadata;
}

void SalesforceSource::make_plan(std::string metadata, SoqlObject object) {
  object_ = std::move(object);
  object_.id_field = settings_.id_field;
  const std::string &stamp = object_.stamp_field;
  query_ = {"", task_.with_deleted, select()};
  const std::string columns = joined(query_.columns, ", ");
  Chosen chosen = task_.exclude_fields.empty() ? choose(object_) : choose(selectable());
  query_.soql = soql(columns, stamp, chosen);
  if (!fits(query_.soql)) {
    // The reader checks the conditions, too.
    chosen = {};
    query_.soql = soql(columns, stamp, chosen);
  }
  count_.clear();
  if (!fits(query_.soql)) {
    if (!may_go_by_bulk()) {
      throw too_long(ErrorClass::kProvider, "The object has " +
                                                std::to_string(object_.fields.size()) +
                                                " readable fields, the query names " +
                                                std::to_string(task_.ids.size()) + " ids.");
    }
    // A job takes a query of any length; whether there is anything to read is asked before.
    count_ = soql("COUNT()", stamp, chosen);
  }
  ordered_ = !chosen.order.empty();
  counted_ = chosen.count;
  fields_ = {};
  metadata_ = std::move(metadata);
  if (chosen.nothing) {
    total_ = 0;
    cursor_["done"] = true;
  }
}

Json SalesforceSource::plan() const {
  if (!is_planned()) return nullptr;
  Json plan = {{"soql", query_.soql}, {"columns", query_.columns}};
  if (!count_.empty()) plan["count"] = count_;
  if (ordered_) plan["ordered"] = true;
  if (counted_) plan["counted"] = true;
  plan["metadata"] = metadata();
  return plan;
}

void SalesforceSource::read_plan(const Json &plan) {
  query_ = {plan.at("soql").get<std::string>(), task_.with_deleted,
            plan.at("columns").get<std::vector<std::string>>()};
  count_ = plan.value("count", "");
  ordered_ = plan.value("ordered", false);
  counted_ = plan.value("counted", false);
  metadata_ = plan.at("metadata").dump();
  object_ = read_salesforce_metadata(metadata_).value();
  has_learned_ = true;
}

Error SalesforceSource::too_long(ErrorClass error_class, const std::string &detail) const {
  return {error_class, "the query for \"" + task_.object + "\" of salesforce is too long",
          "Salesforce takes requests of at most 16 kB. " + detail,
          "Leave fields out with \"exclude_fields\"."};
}

// Most readings find nothing, and need not know.
const SalesforceFields &SalesforceSource::fields() {
  if (fields_.id.empty()) fields_ = fields_of(settings_, object_);
  return fields_;
}

// The select list: what the task asks for and the object has, and always what the page needs.
std::vector<std::string> SalesforceSource::select() const {
  std::vector<std::string> chosen;
  for (const SoqlField &field : object_.fields) {
    const std::string &name = field.name;
    const bool needed =
        name == object_.id_field || name == object_.stamp_field || name == object_.deleted_field;
    const bool wanted = !task_.keys_only &&
                        (task_.fields.empty() || contains(task_.fields, name)) &&
                        !contains(task_.exclude_fields, name);
    if (needed || wanted) chosen.push_back(name);
  }
  return chosen;
}

// What is not in the raw data is NULL for the reader, whatever the provider has.
SoqlObject SalesforceSource::selectable() const {
  SoqlObject known = object_;
  std::erase_if(known.fields,
                [&](const SoqlField &field) { return contains(task_.exclude_fields, field.name); });
  return known;
}

Chosen SalesforceSource::choose(const SoqlObject &known) const {
  const Selection &selection = task_.selection;
  const SoqlCondition condition = soql_condition(known, selection.filter);
  Chosen chosen;
  chosen.condition = condition.text;
  chosen.joined = condition.joined;
  chosen.nothing = condition.kind == SoqlCondition::Kind::kNever;
  if (chosen.nothing) chosen.condition = settings_.id_field + " = null";
  chosen.order = soql_order(known, selection.order);
  const bool exact =
      condition.exact &&
      (!known.described || std::all_of(task_.ids.begin(), task_.ids.end(), is_salesforce_id));
  if (exact && selection.order.empty() == chosen.order.empty()) chosen.limit = selection.limit;
  chosen.count = exact && selection.count;
  return chosen;
}

std::string SalesforceSource::soql(const std::string &fields, const std::string &stamp,
                                   const Chosen &chosen) const {
  std::vector<std::string> conditions;
  if (!task_.since.empty() && !stamp.empty()) conditions.push_back(stamp + " >= " + task_.since);
  // Ids are letters and digits only, so that there is nothing to escape.
  if (task_.ids.size() == 1) {
    conditions.push_back(settings_.id_field + " = '" + task_.ids[0] + "'");
  } else if (!task_.ids.empty()) {
    conditions.push_back(settings_.id_field + " IN ('" + joined(task_.ids, "', '") + "')");
  }
  if (!chosen.condition.empty())
    conditions.push_back(chosen.joined && !conditions.empty() ? "(" + chosen.condition + ")"
                                                              : chosen.condition);
  std::string query = "SELECT " + (chosen.count ? "COUNT()" : fields) + " FROM " + task_.object;
  if (!conditions.empty()) query += " WHERE " + joined(conditions, " AND ");
  if (!chosen.order.empty()) query += " ORDER BY " + chosen.order;
  if (chosen.limit >= 0) query += " LIMIT " + std::to_string(chosen.limit);
  return query;
}

bool SalesforceSource::fits(const std::string &query) const {
  constexpr size_t kLongestEncoded = 3;  // of a character
  const std::string bare = query_url("");
  return bare.size() + kLongestEncoded * query.size() <= settings_.longest_url ||
         query_url(query).size() <= settings_.longest_url;
}

std::string SalesforceSource::query_url(const std::string &query) const {
  const std::string &path = task_.with_deleted ? settings_.query_all_path : settings_.query_path;
  return path + "?q=" + form_encoded(query);
}

std::string SalesforceSource::describe_request() const {
  if (is_planned()) return query_.soql;
  SoqlObject supposed;
  supposed.described = false;
  supposed.id_field = settings_.id_field;
  if (!settings_.stamp_fields.empty()) supposed.stamp_field = settings_.stamp_fields.front();
  const std::string &stamp = supposed.stamp_field;
  const Chosen chosen = choose(supposed);
  if (task_.fields.empty()) return soql(kAllFields, stamp, chosen);
  std::vector<std::string> fields = task_.fields;
  for (const std::string &needed : {settings_.id_field, stamp, settings_.deleted_field}) {
    if (!needed.empty() && !contains(fields, needed)) fields.push_back(needed);
  }
  return soql(joined(fields, ", "), stamp, chosen);
}

}  // namespace

std::unique_ptr<Source> make_salesforce_source(std::shared_ptr<const Connector> connector,
                                               Task task, const Json &plan, const Json &cursor) {
  return std::make_unique<SalesforceSource>(std::move(connector), std::move(task), plan, cursor);
}

std::shared_ptr<const PageReader> make_salesforce_page_reader(const Connector &connector,
                                                              const Json &plan) {
  const std::string metadata = plan.at("metadata").dump();
  return std::make_shared<SalesforcePageReader>(
      fields_of(Settings(connector.settings), read_salesforce_metadata(metadata).value()),
      plan.at("columns").get<std::vector<std::string>>());
}

}  // namespace supaglue
