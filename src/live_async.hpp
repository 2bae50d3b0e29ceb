// pg: foreign scans under one Append go on together: while one waits for the network, the others'
// requests are under way, and whichever has a row first gives it.
#pragma once

#include "pg.hpp"

namespace supaglue {

void request_live_row(AsyncRequest *request);
void configure_live_wait(AsyncRequest *request);
void notify_live_scan(AsyncRequest *request);

}  // namespace supaglue
