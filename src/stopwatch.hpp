// pg: how long one statement of a worker's merge may take. A user's trigger that does not come to
// an end must not keep the merger from the runs of others. In a backend the user's own
// statement_timeout holds, and nothing here does anything.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// From now on, in this process, statements are watched. `most_ms`: 0 for what
/// supaglue.merge_timeout says at the time.
void watch_statements(int most_ms = 0);
/// A statement begins; after that time it is cancelled (57014). When even that is
/// caught, the process ends after the same time again.
void start_stopwatch();
/// It has ended, by an error or not.
void stop_stopwatch();
/// Whether the process ends because a statement would not.
bool ran_out_of_time();

}  // namespace supaglue
