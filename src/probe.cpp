// pure: whether a connection works. See probe.hpp.
#include "probe.hpp"

#include <utility>

#include "call.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Request request_of(const Probe &probe) {
  Request request;
  request.url = probe.path;
  request.headers = {{"Accept", "application/json"}};
  return request;
}

/// Whatever a good answer says, the provider has let us in.
class ProbeCall final : public CallSource {
 public:
  explicit ProbeCall(const Probe &probe)
      : CallSource(request_of(probe)), account_name_pointer_(probe.account_name_pointer) {}

  Accepted accept(const Response &response) override {
    const Json body = Json::parse(response.body, nullptr, false);
    const Json::json_pointer pointer(account_name_pointer_);
    if (body.is_structured() && body.contains(pointer) && body[pointer].is_string())
      told_ = body[pointer];
    return CallSource::accept(response);
  }

 private:
  std::string account_name_pointer_;
};

}  // namespace

std::unique_ptr<Source> make_probe(const std::shared_ptr<const Connector> &connector) {
  if (connector->probe.path.empty())
    throw Error(ErrorClass::kBadDocument,
                "a connection to \"" + connector->name + "\" cannot be tested",
                "Its connector names no request for that.");
  return std::make_unique<ProbeCall>(connector->probe);
}

}  // namespace supaglue
