// pure: a call: a source of no records, that sends one request and keeps the answer.
#pragma once

#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

class CallSource : public Source {
 public:
  /// `takes_refusals`: whatever the provider answers is the answer, and an effect that the request
  /// may have had is not risked twice.
  explicit CallSource(Request request, bool takes_refusals = false);

  /// Null before it came.
  const Response *answer() const { return is_answered_ ? &answer_ : nullptr; }

  Want next() const override;
  Accepted accept(const Response &response) override;
  bool recover(const Error &) override { return false; }
  Json plan() const override { return nullptr; }
  Json cursor() const override { return nullptr; }
  Json metadata() const override { return told_; }
  std::string describe_request() const override { return request_.method + " " + request_.url; }
  bool takes_refusals() const override { return takes_refusals_; }

 protected:
  Json told_;  // null unless something is worth it

 private:
  Request request_;
  bool takes_refusals_;
  bool is_answered_ = false;
  Response answer_;
};

}  // namespace supaglue
