// pure: reads Salesforce by SOQL; see salesforce.hpp.
#include "provider/salesforce.hpp"

#include <algorithm>
#include <utility>

#include "encoding.hpp"
#include "error.hpp"
#include "provider/salesforce_bulk.hpp"
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
  SalesforceSource(std::shared_ptr<const Connector> connector, const Task &task, const Json &plan,
                   const Json &cursor);

  Want next() const override;
  std::optional<Request> next_after(const Response &response) const override;
  Accepted accept(const Response &response) override;
  bool recover(const Error &error) override;
  Json plan() const override { return plan_; }
  Json cursor() const override { return cursor_; }
  const Json &metadata() const override { return plan_.is_null() ? plan_ : plan_.at("metadata"); }
  std::string describe_request() const override;
  int64_t total() const override { return total_; }
  int restarts() const override { return cursor_.value("restarts", 0); }
  bool is_ordered() const override { return plan_.is_object() && plan_.value("ordered", false); }
  bool is_counted() const override {
    return total_ == 0 || (plan_.is_object() && plan_.value("counted", false));
  }

 private:
  Request request_of_page(std::string url) const;
  void check_task();
  bool may_go_by_bulk() const;
  void finish();
  void start_over(bool describe_again);
  bool go_by_rest_instead(const Error &error);
  Json learn(const Response &response) const;
  void make_plan(Json metadata);
  void read_fields();
  std::vector<std::string> select(const Json &metadata) const;
  Error too_long(ErrorClass error_class, const std::string &detail) const;
  SoqlObject object(const Json &metadata) const;
  Chosen choose(const SoqlObject &object) const;
  std::string soql(const std::string &fields, const std::string &stamp, const Chosen &chosen) const;
  std::string query_url(const std::string &query) const;

  std::shared_ptr<const Connector> connector_;
  Settings settings_;
  SalesforceBulk bulk_;
  Task task_;
  Json plan_;
  Json cursor_ = Json::object();
  SalesforceFields fields_;  // of the plan
  SalesforceQuery query_;    // of the plan
  int64_t total_ = -1;
};

// Metadata that this version wrote, or nothing: an older form is described anew.
bool is_metadata(const Json &metadata) {
  return metadata.is_object() && metadata.contains("fields") && metadata["fields"].is_array() &&
         metadata.contains("stamp") && metadata.contains("deleted");
}

SalesforceSource::SalesforceSource(std::shared_ptr<const Connector> connector, const Task &task,
                                   const Json &plan, const Json &cursor)
    : connector_(std::move(connector)),
      settings_(connector_->settings),
      bulk_(connector_->settings),
      task_(task) {
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
    plan_ = plan;
    read_fields();
  } else if (is_metadata(task_.metadata)) {
    make_plan(std::move(task_.metadata));
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
  if (plan_.is_null()) {
    request.url = settings_.describe_path;
    size_t at = request.url.find("{object}");
    if (at != std::string::npos) request.url.replace(at, 8, task_.object);
    return request;
  }
  if (cursor_.contains("bulk")) return bulk_.next(cursor_["bulk"], query_);
  if (cursor_.contains("next")) return request_of_page(cursor_["next"].get<std::string>());
  request = request_of_page(query_url(plan_.value("count", query_.soql)));
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
  if (plan_.is_null()) return std::nullopt;
  if (cursor_.contains("bulk")) return bulk_.next_after(response, cursor_["bulk"], query_);
  // After the first page it may go by a job.
  if (!cursor_.contains("next") && may_go_by_bulk()) return std::nullopt;
  std::string next = salesforce_next_page(response.body);
  if (next.empty()) return std::nullopt;
  return request_of_page(std::move(next));
}

Accepted SalesforceSource::accept(const Response &response) {
  if (plan_.is_null()) {
    make_plan(learn(response));
    return {};
  }
  if (cursor_.contains("bulk")) {
    Json &job = cursor_["bulk"];
    Accepted accepted = bulk_.accept(response, query_, fields_, job);
    if (job.contains("records")) total_ = job["records"].get<int64_t>();
    if (job.contains("done")) finish();
    return accepted;
  }
  SalesforceAnswer answer = read_salesforce_answer(response.body, fields_);
  if (answer.total >= 0) total_ = answer.total;
  if (!cursor_.contains("next") && may_go_by_bulk()) {
    const bool counted = plan_.contains("count");
    if (counted ? answer.total > 0 : !answer.done && bulk_.suits(answer.total)) {
      cursor_["bulk"] = Json::object();
      return {};
    }
  }
  if (answer.done) {
    finish();
  } else {
    salesforce_go_on(cursor_, answer.next);
  }
  return {true, std::move(answer.page)};
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
  if (describe_again) plan_ = nullptr;
}

// Some objects have no jobs, and an org has only so many a day: whatever the reason, the query API
// may do it yet.
bool SalesforceSource::go_by_rest_instead(const Error &error) {
  if (error.error_class != ErrorClass::kProvider && error.error_class != ErrorClass::kPermission &&
      error.error_class != ErrorClass::kObjectGone) {
    return false;
  }
  if (plan_.contains("count")) {
    throw too_long(error.error_class, "The Bulk API does not take it either: " + error.detail);
  }
  cursor_.erase("bulk");
  cursor_["rest"] = true;
  return true;
}

bool SalesforceSource::recover(const Error &error) {
  if (plan_.is_null()) return false;
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

void SalesforceSource::make_plan(Json metadata) {
  std::string stamp = metadata["stamp"].is_string() ? metadata["stamp"].get<std::string>() : "";
  std::vector<std::string> columns = select(metadata);
  Chosen chosen = choose(object(metadata));
  std::string query = soql(joined(columns, ", "), stamp, chosen);
  if (query_url(query).size() > settings_.longest_url) {
    // The reader checks the conditions, too.
    chosen = {};
    query = soql(joined(columns, ", "), stamp, chosen);
  }
  Json plan = {{"soql", query}, {"columns", std::move(columns)}};
  if (query_url(query).size() > settings_.longest_url) {
    if (!may_go_by_bulk()) {
      throw too_long(ErrorClass::kProvider, "The object has " +
                                                std::to_string(metadata["fields"].size()) +
                                                " readable fields, the query names " +
                                                std::to_string(task_.ids.size()) + " ids.");
    }
    // A job takes a query of any length; whether there is anything to read is asked before.
    plan["count"] = soql("COUNT()", stamp, chosen);
  }
  if (!chosen.order.empty()) plan["ordered"] = true;
  if (chosen.count) plan["counted"] = true;
  plan["metadata"] = std::move(metadata);
  plan_ = std::move(plan);
  if (chosen.nothing) {
    total_ = 0;
    cursor_["done"] = true;
  }
  read_fields();
}

Error SalesforceSource::too_long(ErrorClass error_class, const std::string &detail) const {
  return {error_class, "the query for \"" + task_.object + "\" of salesforce is too long",
          "Salesforce takes requests of at most 16 kB. " + detail,
          "Leave fields out with \"exclude_fields\"."};
}

void SalesforceSource::read_fields() {
  const Json &metadata = plan_.at("metadata");
  query_ = {plan_.at("soql").get<std::string>(), task_.with_deleted,
            plan_.at("columns").get<std::vector<std::string>>()};
  fields_ = {};
  fields_.id = settings_.id_field;
  if (metadata["stamp"].is_string()) fields_.stamp = metadata["stamp"].get<std::string>();
  if (metadata["deleted"].is_string()) fields_.deleted = metadata["deleted"].get<std::string>();
  for (const Json &field : metadata["fields"]) {
    const std::string name = field["name"].get<std::string>();
    const std::string type = field["type"].get<std::string>();
    if (contains(settings_.stamp_types, type)) fields_.stamps.insert(name);
    if (contains(settings_.boolean_types, type)) fields_.booleans.insert(name);
    if (contains(settings_.number_types, type)) fields_.numbers.insert(name);
    if (contains(settings_.untyped_types, type)) fields_.untyped.insert(name);
  }
}

// The select list: what the task asks for and the object has, and always what the page needs.
std::vector<std::string> SalesforceSource::select(const Json &metadata) const {
  std::vector<std::string> chosen;
  for (const Json &field : metadata["fields"]) {
    std::string name = field["name"].get<std::string>();
    bool needed =
        name == settings_.id_field || metadata["stamp"] == name || metadata["deleted"] == name;
    bool wanted = !task_.keys_only && (task_.fields.empty() || contains(task_.fields, name)) &&
                  !contains(task_.exclude_fields, name);
    if (needed || wanted) chosen.push_back(name);
  }
  return chosen;
}

SoqlObject SalesforceSource::object(const Json &metadata) const {
  SoqlObject known;
  known.id_field = settings_.id_field;
  known.described = !metadata.is_null();
  if (!known.described) {
    if (!settings_.stamp_fields.empty()) known.stamp_field = settings_.stamp_fields.front();
    return known;
  }
  if (metadata["stamp"].is_string()) known.stamp_field = metadata["stamp"].get<std::string>();
  for (const Json &field : metadata["fields"]) {
    // What is not in the raw data is NULL for the reader, whatever the provider has.
    if (!contains(task_.exclude_fields, field["name"].get<std::string>()))
      known.fields.push_back(field);
  }
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

std::string SalesforceSource::query_url(const std::string &query) const {
  const std::string &path = task_.with_deleted ? settings_.query_all_path : settings_.query_path;
  return path + "?q=" + form_encoded(query);
}

std::string SalesforceSource::describe_request() const {
  if (!plan_.is_null()) return plan_["soql"].get<std::string>();
  std::string stamp = settings_.stamp_fields.empty() ? "" : settings_.stamp_fields.front();
  const Chosen chosen = choose(object(nullptr));
  if (task_.fields.empty()) return soql(kAllFields, stamp, chosen);
  std::vector<std::string> fields = task_.fields;
  for (const std::string &needed : {settings_.id_field, stamp, settings_.deleted_field}) {
    if (!needed.empty() && !contains(fields, needed)) fields.push_back(needed);
  }
  return soql(joined(fields, ", "), stamp, chosen);
}

}  // namespace

std::unique_ptr<Source> make_salesforce_source(std::shared_ptr<const Connector> connector,
                                               const Task &task, const Json &plan,
                                               const Json &cursor) {
  return std::make_unique<SalesforceSource>(std::move(connector), task, plan, cursor);
}

}  // namespace supaglue
