// pure: which addresses are not on the public internet: private, local, reserved, and those where
// the clouds keep their metadata, however they are wrapped in IPv6.
#pragma once

#include <sys/socket.h>

#include "pure.hpp"

namespace supaglue {

/// Of what is no IP address: true.
bool is_private_address(const sockaddr *address);
bool is_private_address(const char *text);

}  // namespace supaglue
