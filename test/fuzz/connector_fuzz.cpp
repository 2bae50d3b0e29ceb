// fuzz: connector documents: each is refused by an Error that names its place, or compiles into a
// connector whose promises can be asked for, and whose sources make requests or refuse.
#include <memory>

#include "connector.hpp"
#include "fuzz.hpp"
#include "session.hpp"
#include "source.hpp"

#include "pure.hpp"

using namespace supaglue;

// Settings of the strategy "salesforce" are read as they are, without a word about what is wrong.
static bool has_known_settings(const Connector &connector) {
  static const Json known = Connector::builtin("salesforce")->settings;
  return connector.strategy != "salesforce" || connector.settings == known;
}

static void use(const std::shared_ptr<const Connector> &connector) {
  for (const std::string &type : connector->auth_types) connector->carrier(type);
  for (const char *object : {"contact", "Contact__c", "x\"y", ""}) {
    connector->exact_object("standard", object);
    connector->exact_object("custom", object);
    if (!has_known_settings(*connector)) continue;
    fuzz::succeeds([&] {
      Task task;
      task.object = object;
      const std::unique_ptr<Source> source = make_source(connector, task);
      if (std::holds_alternative<Request>(source->next()))
        fuzz::expect(!std::get<Request>(source->next()).url.empty(), "a request goes somewhere");
    });
  }
  for (const auto &entry : connector->listings.objects) {
    const std::string &name = entry.first;
    fuzz::succeeds([&] {
      Task task;
      task.object = name;
      const std::unique_ptr<Source> source = make_source(connector, task);
      source->next();
      source->describe_request();
      Response response;
      response.status = 200;
      response.body =
          R"({"results": [{"id": "1", "name": "a", "type": "number"}], "paging": {"next": {"after": "1"}}})";
      source->accept(response);
      source->next();
      make_source(connector, task, source->plan(), source->cursor())->next();
    });
  }
  connector->offered_objects();
  connector->field_path("a/b");
  connector->type_of("number");
  Response refused;
  refused.status = 400;
  refused.body = R"([{"errorCode": "X", "message": "m"}])";
  judge(*connector, refused, {}, 1'700'000'000'000, 0.5);
  Response token;
  token.status = 200;
  token.body =
      R"({"access_token": "a", "instance_url": "https://x.test", "id": "https://x.test/id/00D000000000001EAA/005"})";
  Grant grant;
  grant.auth_type = "oauth2";
  grant.refresh_token = "r";
  fuzz::succeeds([&] { token_answer(*connector, grant, token, 1'700'000'000'000); });
  fuzz::succeeds([&] { token_request(*connector, grant, 1'700'000'000'000); });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string document(reinterpret_cast<const char *>(data), size);
  std::shared_ptr<const Connector> connector;
  if (!fuzz::is_json(document, {true, {}})) return 0;  // it comes as jsonb
  if (fuzz::succeeds([&] { connector = Connector::parse(document); })) use(connector);
  return 0;
}
