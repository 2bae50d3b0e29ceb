// pg: syncs and runs of connections that are to be asked nothing for a while: that they wait, until
// when and for what stands in their rows, and they take no place from others; and syncs for which
// there is no place. It must not know why a connection is parked.
#pragma once

#include "agenda.hpp"

#include "job.hpp"
#include "pg.hpp"

namespace supaglue {

/// Syncs that are due while their connections are parked: they wait. In a transaction of its own.
void park_syncs(Jobs *jobs, const Agenda::Entry *syncs, size_t count);
/// Syncs that are due and find no slot: they wait for one. In a transaction of its own.
void tell_crowd(Jobs *jobs, const int64 *syncs, int count);
/// After a job had to wait: if its connection is parked, the run's row says so.
void park_job(Jobs *jobs, Job *job);
/// Ends a job's parking.
void resume_job(Jobs *jobs, Job *job);

}  // namespace supaglue
