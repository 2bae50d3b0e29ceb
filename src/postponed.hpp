// pg: the versions that a forced full run met and that are older than what is stored. They are to
// be written only if the provider has nothing newer, which is known when the run has seen
// everything. Sorted, they are walked beside what it saw; memory holds none but a step of them.
#pragma once

#include <string_view>

#include "pg.hpp"
#include "versions.hpp"

namespace supaglue {

struct Postponed;

/// Nothing yet; it lives in the memory context.
Postponed *begin_postponed(MemoryContext context);
/// Keeps one of some versions; it must have a stamp.
void postpone(Postponed *postponed, const Versions *versions, int number);
/// When no more are to come: how often the run has seen a record, postponed versions included. To
/// be told of every record that it saw, by ids in the order of the bytes. A record of which no
/// other version was seen is due in its newest one.
void judge_postponed(Postponed *postponed, std::string_view id, int64 sightings);
/// When all are judged: the next ones that are due, at most so many, in the current memory context;
/// none at the end.
Versions due_versions(Postponed *postponed, int most);
void end_postponed(Postponed *postponed);

}  // namespace supaglue
