// pg: the merge of one run into its destination table: page after page only what is new or changed
// is written, newest version wins; after a complete full run what is absent is settled
// (absence.hpp). It does not know where the destination is, nor where pages come from.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

struct Merge;

/// Asks the destination whether it holds what the merge counts on: the rows that earlier runs
/// wrote, or whether it holds any when nothing is known of them. `holds` is valid, and set, after
/// the next statement.
void ask_what_is_stored(Destination *destination, const Sync *sync, const Run *run, bool *holds);
/// Opens a run's merge in the destination's current transaction; chooses run->emitted_at and sets
/// the counts of records to zero: the merge counts what it is given. Returns null when the table
/// lost the rows that the last run left and the run is not full: it must be read in full. The table
/// is there already (ensure_table(), in a transaction of its own for workers). The merge lives in
/// the current memory context.
Merge *begin_merge(Destination *destination, const Sync *sync, Run *run, bool holds);
/// Merges a page and adds to the run's counts, records_read and rejected too; the
/// unusable records go to our own table of rejects.
void merge_page(Merge *merge, const Page *page);
/// Ends it after the last page of a complete run: absence, rows_stored, and a remote destination's
/// _supaglue_syncs. Raises 22000 when too many records were unusable. False: rows that its pages
/// say are stored as they came are no more, and the run is void.
bool finish_merge(Merge *merge);

}  // namespace supaglue
