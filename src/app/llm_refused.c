#include "llm_refused.h"

#include <math.h>
#include <stdlib.h>

#define RAW_MAX ((size_t)64 << 10)

struct lam_llm_refused_row {
    struct lam_llm_refused_row *next;
    void *piece;
    size_t row;
    char *reason, *raw;
};

static void row_free(struct lam_llm_refused_row *row)
{
    free(row->reason);
    free(row->raw);
    free(row);
}

void lam_llm_refused_release(struct lam_llm_refused *refused)
{
    while (refused->first) {
        struct lam_llm_refused_row *row = refused->first;

        refused->first = row->next;
        row_free(row);
    }
}

void lam_llm_refused_add(struct lam_llm_refused *refused, const struct lam_log *log, void *piece, size_t row, struct lam_sv reason, struct lam_sv raw)
{
    struct lam_llm_refused_row *added = calloc(1, sizeof *added);

    if (!refused->told)
        lam_log_warn(log, "llm", "a record has no usable answer: %.*s; others like it are not told of", (int)reason.len, reason.ptr);
    refused->told = true;
    if (!added) {
        refused->failed = true;
        return;
    }
    added->piece = piece;
    added->row = row;
    added->reason = strndup(reason.len ? reason.ptr : "", reason.len);
    added->raw = raw.len ? strndup(raw.ptr, raw.len < RAW_MAX ? raw.len : RAW_MAX) : NULL;
    refused->failed = refused->failed || !added->reason || (raw.len && !added->raw);
    added->next = refused->first;
    refused->first = added;
}

static bool has_rows_of(const struct lam_llm_refused *refused, const struct lam_batch_piece *piece)
{
    const struct lam_llm_refused_row *row = refused->first;

    while (row && row->piece != piece)
        row = row->next;
    return row != NULL;
}

static void forget(struct lam_llm_refused *refused, const struct lam_batch_piece *piece)
{
    for (struct lam_llm_refused_row **link = &refused->first; *link;) {
        struct lam_llm_refused_row *row = *link;

        if (row->piece != piece) {
            link = &row->next;
            continue;
        }
        *link = row->next;
        row_free(row);
    }
}

/* Adds a reject for each refused row of the piece, and says which rows these are. Of a row of the view its segment is not what a person looks for. */
static int add_rejects(const struct lam_llm_refused *refused, struct lam_batch_piece *piece, const struct lam_piece *said, bool *is_refused, struct lam_error *err)
{
    int rc = 0;

    for (const struct lam_llm_refused_row *row = refused->first; !rc && row; row = row->next) {
        const struct lam_record *rec;
        struct lam_reject reject = {.kind = LAM_QUARANTINED, .reason = lam_sv_of(row->reason), .raw = lam_sv_of(row->raw)};

        if (row->piece != piece) /* of one that is with agents: its row is none of this block's */
            continue;
        rec = &lam_block_row(piece->block, row->row)->rec;
        reject.pos = rec->pos;
        reject.arrival_us = rec->arrival_us;
        reject.place = said->again && rec->key.len ? rec->key : said->path;
        is_refused[row->row] = true;
        rc = lam_block_add_reject(piece->block, &reject, err);
    }
    return rc;
}

/* All that is left of a row of the view that has to go: where it stands. */
static void make_rejected(struct lam_row *row)
{
    struct lam_record *rec = &row->rec;

    rec->flags = (rec->flags & LAM_ROW_NO_ORDER) | LAM_ROW_REJECTED;
    rec->title = rec->text = rec->structure = rec->metadata = lam_sv("", 0);
    row->enr = (struct lam_enrichment){.sentiment = NAN, .processed_us = row->enr.processed_us};
}

int lam_llm_refused_take(struct lam_llm_refused *refused, struct lam_batch_piece *piece, const struct lam_piece *said, bool upsert, struct lam_error *err)
{
    bool stays = said->again && upsert, *is_refused;
    size_t rows = lam_block_rows(piece->block), kept = 0;
    int rc;

    if (refused->failed) {
        refused->failed = false; /* the run ends with it: the next one begins anew */
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what is rejected");
    }
    if (!has_rows_of(refused, piece))
        return 0;
    if (!(is_refused = calloc(rows, sizeof *is_refused)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for what is rejected");
    rc = add_rejects(refused, piece, said, is_refused, err);
    for (size_t i = 0; !rc && i < rows; i++) {
        struct lam_row *row = lam_block_row(piece->block, i);

        if (is_refused[i] && stays)
            make_rejected(row);
        if (is_refused[i] && !stays)
            continue;
        if (kept != i)
            *lam_block_row(piece->block, kept) = *row;
        kept++;
    }
    if (!rc)
        lam_block_truncate(piece->block, kept, lam_block_rejects(piece->block));
    free(is_refused);
    forget(refused, piece);
    return rc;
}
