/* What a snapshot has of the speed ranks' tail: where they stood when it was pinned, and their rows below that. */
#include "store_reader_own.h"

#include <jansson.h>
#include <stdlib.h>

#include "model/order.h"

/* {"<source>":{"0":next,…},…} as the tail said when it was pinned. */
static int read_reached(struct lam_snapshot *snapshot, struct lam_error *err)
{
    json_t *root = json_loadb(snapshot->speed.ptr, snapshot->speed.len, 0, NULL), *partitions, *next;
    const char *name, *partition;
    size_t count = 0;

    if (!json_is_object(root)) {
        json_decref(root);
        return LAM_FAIL(err, LAM_E_CORRUPT, "the speed ranks answered with no JSON object");
    }
    json_object_foreach(root, name, partitions)
        count += json_object_size(partitions);
    if (!(snapshot->reached = calloc(count + 1, sizeof *snapshot->reached))) {
        json_decref(root);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a snapshot");
    }
    json_object_foreach(root, name, partitions)
        json_object_foreach(partitions, partition, next)
            snapshot->reached[snapshot->reached_count++] = (struct lam_reached){lam_state_source_number(snapshot->pinned->state, name),
                                                                               (uint32_t)strtoul(partition, NULL, 10), (uint64_t)json_integer_value(next)};
    json_decref(root);
    return 0;
}

/* Asked for with a key that hardly any row has, since rows cost a copy and a lookup needs those of one key alone. */
int lam_snapshot_pin_tail(struct lam_snapshot *snapshot, struct lam_error *err)
{
    const struct lam_tail_source *tail = &snapshot->reader->tail;
    struct lam_block *block = NULL;
    int rc;

    if ((rc = lam_buf_addf(&snapshot->speed, err, "{")))
        return rc;
    rc = tail->fetch(tail->arg, snapshot->pinned->state->number, LAM_SV(""), snapshot->deadline_us, &block, &snapshot->speed, err);
    lam_block_free(block);
    if (rc || (rc = lam_buf_addf(&snapshot->speed, err, "}")))
        return rc;
    return read_reached(snapshot, err);
}

bool lam_snapshot_reached(const struct lam_snapshot *snapshot, const struct lam_position *pos)
{
    uint32_t partition = lam_position_partition(pos);

    for (size_t i = 0; i < snapshot->reached_count; i++)
        if (snapshot->reached[i].source == pos->source && snapshot->reached[i].partition == partition)
            return pos->offset < snapshot->reached[i].next;
    return false;
}

/* Is it in the segments of the pinned commit? A rank that has not heard of that commit yet still has it in its tail too. */
static bool is_archived(const struct lam_snapshot *snapshot, const struct lam_position *pos)
{
    const struct lam_archived *archived = lam_state_archived(snapshot->pinned->state, pos->source, pos->life, lam_position_partition(pos));

    return archived && pos->offset < archived->next;
}

/* Leaves in the block what the snapshot has, and points at it. */
static int take_rows(struct lam_snapshot *snapshot, struct lam_error *err)
{
    size_t count = lam_block_rows(snapshot->block);

    if (!(snapshot->rows = calloc(count + 1, sizeof *snapshot->rows)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu rows of the tail", count);
    for (size_t i = 0; i < count; i++) {
        const struct lam_row *row = lam_block_row(snapshot->block, i);

        if (lam_snapshot_reached(snapshot, &row->rec.pos) && !is_archived(snapshot, &row->rec.pos))
            snapshot->rows[snapshot->row_count++] = row;
    }
    snapshot->by_position = false;
    return lam_rows_sort(snapshot->rows, snapshot->row_count, err);
}

void lam_snapshot_drop_rows(struct lam_snapshot *snapshot)
{
    lam_block_free(snapshot->block);
    free(snapshot->rows);
    snapshot->block = NULL;
    snapshot->rows = NULL;
    snapshot->row_count = 0;
    snapshot->fetched = false;
}

int lam_snapshot_fetch(struct lam_snapshot *snapshot, struct lam_sv key, struct lam_error *err)
{
    const struct lam_tail_source *tail = &snapshot->reader->tail;
    struct lam_buf newer;
    int rc;

    if (!tail->fetch || snapshot->fetched)
        return 0;
    lam_snapshot_drop_rows(snapshot);
    lam_buf_init(&newer, LAM_READER_TEXT_MAX); /* where the ranks are by now is nothing to this snapshot */
    rc = tail->fetch(tail->arg, snapshot->pinned->state->number, key, snapshot->deadline_us, &snapshot->block, &newer, err);
    lam_buf_release(&newer);
    if (rc || (snapshot->block && (rc = take_rows(snapshot, err))))
        return rc;
    snapshot->fetched = !key.ptr;
    return 0;
}

static int by_position(const void *a, const void *b)
{
    return lam_position_cmp(&(*(const struct lam_row *const *)a)->rec.pos, &(*(const struct lam_row *const *)b)->rec.pos);
}

int lam_snapshot_order(struct lam_snapshot *snapshot, bool positions, struct lam_error *err)
{
    if (snapshot->by_position == positions || !snapshot->row_count)
        return 0;
    snapshot->by_position = positions;
    if (!positions)
        return lam_rows_sort(snapshot->rows, snapshot->row_count, err);
    qsort(snapshot->rows, snapshot->row_count, sizeof *snapshot->rows, by_position);
    return 0;
}
