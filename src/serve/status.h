/* The answer to "how is it going": counts, categories, lag, rates. */
#ifndef LAMINA_SERVE_STATUS_H
#define LAMINA_SERVE_STATUS_H

#include <lamina/reader.h>

#include "base/buf.h"

/* Adds the members after "as_of", each with its comma in front. */
int lam_status_add_json(struct lam_buf *out, const struct lam_reader *reader, struct lam_snapshot *snapshot, struct lam_error *err);

/* read = live + superseded + deleted + quarantined + filtered? */
static inline bool lam_source_count_balances(const struct lam_source_count *count)
{
    return count->read == count->live + count->superseded + count->deleted + count->quarantined + count->filtered;
}

#endif
