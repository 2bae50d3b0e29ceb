// fuzz: answers of JSON: whatever a provider sends is refused by an Error, or is whole JSON and
// becomes records that jsonb can hold. Every reader reads every input; so does the reader of packed
// pages.
#include <zstd.h>

#include <memory>

#include "connector.hpp"
#include "fuzz.hpp"
#include "provider/listing_page.hpp"
#include "provider/salesforce_page.hpp"

#include "pure.hpp"

using namespace supaglue;

static const SalesforceFields &fields() {
  static const SalesforceFields all = {
      "Id",          "SystemModstamp", "IsDeleted", {"SystemModstamp", "CreatedDate"},
      {"IsDeleted"}, {"Amount"},       {"NewValue"}};
  return all;
}

static void read_salesforce(const std::string &body) {
  fuzz::succeeds([&] {
    const SalesforceAnswer answer = read_salesforce_answer(body, fields());
    fuzz::expect(fuzz::is_json(body), "only whole JSON is an answer", body);
    fuzz::expect(answer.done || !answer.next.empty(), "it is known where there is more");
    fuzz::expect_page(answer.page, "Id", body.size());
    const SalesforceAnswer skimmed = skim_salesforce_answer(body);
    fuzz::expect(skimmed.records == answer.page.count() && skimmed.next == answer.next &&
                     skimmed.done == answer.done && skimmed.total == answer.total,
                 "to skim an answer tells what reading it does", body);
  });
}

static void read_list(const std::string &body, const char *list, const std::string &records,
                      const Associations *associations) {
  static const std::shared_ptr<const Connector> hubspot = Connector::builtin("hubspot");
  ListingShape shape;
  shape.provider = "hubspot";
  shape.listing = &hubspot->listings.lists.at(list);
  shape.records = records;
  shape.types = {{"lastname", ListedType::kText},
                 {"amount", ListedType::kNumber},
                 {"closed", ListedType::kBoolean},
                 {"born", ListedType::kDate},
                 {"seen", ListedType::kTime}};
  shape.associations = associations;
  fuzz::succeeds([&] {
    const ListingAnswer answer = read_listing_answer(body, shape);
    fuzz::expect(fuzz::is_json(body), "only whole JSON is an answer", body);
    fuzz::expect_page(answer.page, "id", body.size());
  });
}

static void unpack(std::string_view input) {
  const unsigned long long size = ZSTD_getFrameContentSize(input.data(), input.size());
  if (size > (16 << 20) && size < ZSTD_CONTENTSIZE_ERROR) return;  // it is believed up to 1 GB
  fuzz::succeeds([&] {
    const Page page = Page::unpack(input);
    const Page again = Page::unpack(page.pack());
    fuzz::expect(
        again.records.size() == page.records.size() && again.rejects.size() == page.rejects.size(),
        "a page that can be unpacked can be packed");
  });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string body(reinterpret_cast<const char *>(data), size);
  static const Associations associations = {{"1", R"({"companies":["7"]})"}};
  read_salesforce(body);
  read_list(body, "records", "/results", nullptr);
  read_list(body, "records", "/results", &associations);
  read_list(body, "records", "", nullptr);
  read_list(body, "owners", "/results", nullptr);
  unpack(body);
  return 0;
}
