#include "cutoff.h"

#include <stdlib.h>

#include "order.h"

void lam_cutoff_init(struct lam_cutoff *cutoff) { *cutoff = (struct lam_cutoff){0}; }

void lam_cutoff_release(struct lam_cutoff *cutoff)
{
    for (uint32_t i = 0; i < cutoff->count; i++)
        free(cutoff->sources[i].partitions);
    free(cutoff->sources);
    lam_cutoff_init(cutoff);
}

int lam_cutoff_copy(struct lam_cutoff *to, const struct lam_cutoff *from, struct lam_error *err)
{
    lam_cutoff_init(to);
    if (from->count && !(to->sources = calloc(from->count, sizeof *to->sources)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cutoff");
    for (uint32_t i = 0; i < from->count; i++) {
        const struct lam_cutoff_source *source = &from->sources[i];
        size_t len = source->count * sizeof *source->partitions;

        to->sources[i] = *source;
        to->sources[i].partitions = NULL;
        to->count = i + 1;
        if (!len)
            continue;
        if (!(to->sources[i].partitions = malloc(len))) {
            lam_cutoff_release(to);
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cutoff");
        }
        memcpy(to->sources[i].partitions, source->partitions, len);
    }
    return 0;
}

/* Index of the first source that is not below this number. */
static uint32_t place(const struct lam_cutoff *cutoff, uint32_t source)
{
    uint32_t low = 0, high = cutoff->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (cutoff->sources[mid].source < source)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t partition_place(const struct lam_cutoff_source *source, uint32_t partition)
{
    uint32_t low = 0, high = source->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (source->partitions[mid].partition < partition)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int set_source(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, bool stream,
                      struct lam_cutoff_source **set, struct lam_error *err)
{
    uint32_t at = place(cutoff, source);
    struct lam_cutoff_source *grown;

    if (at == cutoff->count || cutoff->sources[at].source != source) {
        if (!(grown = realloc(cutoff->sources, (cutoff->count + 1) * sizeof *grown)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cutoff");
        memmove(grown + at + 1, grown + at, (cutoff->count - at) * sizeof *grown);
        grown[at] = (struct lam_cutoff_source){.source = source};
        cutoff->sources = grown;
        cutoff->count++;
    }
    *set = &cutoff->sources[at];
    if ((*set)->life != life || (*set)->stream != stream) {
        free((*set)->partitions);
        (*set)->partitions = NULL;
        (*set)->count = 0;
    }
    (*set)->life = life;
    (*set)->stream = stream;
    return 0;
}

int lam_cutoff_set_corpus(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, struct lam_error *err)
{
    struct lam_cutoff_source *set;

    return set_source(cutoff, source, life, false, &set, err);
}

int lam_cutoff_set_stream(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, struct lam_error *err)
{
    struct lam_cutoff_source *set;

    return set_source(cutoff, source, life, true, &set, err);
}

int lam_cutoff_set_partition(struct lam_cutoff *cutoff, uint32_t source, uint32_t life, uint32_t partition,
                             uint64_t next, struct lam_error *err)
{
    struct lam_cutoff_source *set;
    struct lam_cutoff_partition *grown;
    uint32_t at;
    int rc = set_source(cutoff, source, life, true, &set, err);

    if (rc)
        return rc;
    at = partition_place(set, partition);
    if (at == set->count || set->partitions[at].partition != partition) {
        if (!(grown = realloc(set->partitions, (set->count + 1) * sizeof *grown)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a cutoff");
        memmove(grown + at + 1, grown + at, (set->count - at) * sizeof *grown);
        set->partitions = grown;
        set->count++;
    }
    set->partitions[at] = (struct lam_cutoff_partition){partition, next};
    return 0;
}

const struct lam_cutoff_source *lam_cutoff_source(const struct lam_cutoff *cutoff, uint32_t source)
{
    uint32_t at = place(cutoff, source);

    return at < cutoff->count && cutoff->sources[at].source == source ? &cutoff->sources[at] : NULL;
}

uint64_t lam_cutoff_next(const struct lam_cutoff *cutoff, uint32_t source, uint32_t life, uint32_t partition)
{
    const struct lam_cutoff_source *found = lam_cutoff_source(cutoff, source);
    uint32_t at;

    if (!found || life > found->life)
        return 0;
    if (life < found->life || !found->stream)
        return UINT64_MAX;
    at = partition_place(found, partition);
    return at < found->count && found->partitions[at].partition == partition ? found->partitions[at].next : 0;
}

bool lam_cutoff_covers(const struct lam_cutoff *cutoff, const struct lam_position *pos)
{
    const struct lam_cutoff_source *found = lam_cutoff_source(cutoff, pos->source);

    if (!found || pos->life > found->life)
        return false;
    return pos->life < found->life || !found->stream ||
           pos->offset < lam_cutoff_next(cutoff, pos->source, pos->life, lam_position_partition(pos));
}
