// simulator: the page on which a provider asks a person for consent, and forms and addresses as a
// browser sends them. Knows no provider.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "message.hpp"

namespace simulator {

using Form = std::map<std::string, std::string>;

// The parameters of a query or of a form's body.
Form form_from(std::string_view text);

// A page with a field for the account and buttons that send decision=allow or decision=deny to
// `action` by POST, with what is `kept`.
Response consent_page(const std::string &provider, const std::string &application,
                      const std::string &account, const std::string &action, const Form &kept);
Response complaint_page(int status, const std::string &provider, const std::string &complaint);

// To an application's own address, with parameters added to those that it has.
Response redirect(const std::string &address, const Form &params);

}  // namespace simulator
