// pure: reads pages as they lie in the spool; see page_reader.hpp.
#include "page_reader.hpp"

#include <string>

#include "error.hpp"
#include "gunzip.hpp"
#include "http.hpp"
#include "provider/salesforce.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kMostBytes = 1 << 30;

}  // namespace

std::shared_ptr<const PageReader> make_page_reader(
    const std::shared_ptr<const Connector> &connector, const Json &plan) {
  if (connector->strategy == "salesforce") return make_salesforce_page_reader(*connector, plan);
  throw Error(ErrorClass::kInternal,
              "answers of connector \"" + connector->name + "\" are not kept as they came");
}

Page read_kept_page(const PageReader *reader, std::string_view packed) {
  Page page = Page::unpack(packed);
  if (page.answer.empty()) return page;
  std::string body;
  if (gunzip(page.answer, kMostBytes, Response::kPadding, &body) != Gunzipped::kWhole)
    throw Error(ErrorClass::kInternal, "a page in the spool is damaged");
  return reader->read(body, page.answer_records);
}

}  // namespace supaglue
