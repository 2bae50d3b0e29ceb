// pure: whether a connection works. See probe.hpp.
#include "probe.hpp"

#include <utility>

#include "pure.hpp"

namespace supaglue {
namespace {

class ProbeSource final : public Source {
 public:
  explicit ProbeSource(Probe probe) : probe_(std::move(probe)) {}

  Want next() const override {
    if (is_answered_) return Done{};
    Request request;
    request.url = probe_.path;
    request.headers = {{"Accept", "application/json"}};
    return request;
  }

  /// Whatever a good answer says, the provider has let us in.
  Accepted accept(const Response &response) override {
    is_answered_ = true;
    const Json body = Json::parse(response.body, nullptr, false);
    const Json::json_pointer pointer(probe_.account_name_pointer);
    if (body.is_structured() && body.contains(pointer) && body[pointer].is_string())
      account_name_ = body[pointer];
    return {};
  }

  bool recover(const Error &) override { return false; }
  Json plan() const override { return nullptr; }
  Json cursor() const override { return nullptr; }
  Json metadata() const override { return account_name_; }
  std::string describe_request() const override { return "GET " + probe_.path; }

 private:
  Probe probe_;
  bool is_answered_ = false;
  Json account_name_;
};

}  // namespace

std::unique_ptr<Source> make_probe(const std::shared_ptr<const Connector> &connector) {
  if (connector->probe.path.empty())
    throw Error(ErrorClass::kBadDocument,
                "a connection to \"" + connector->name + "\" cannot be tested",
                "Its connector names no request for that.");
  return std::make_unique<ProbeSource>(connector->probe);
}

}  // namespace supaglue
