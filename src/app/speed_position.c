#include "speed_position.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- notes --- */

int64_t lam_speed_note_write(char note[LAM_KAFKA_NOTE], const struct lam_speed_note *last, int64_t end, const int64_t *held, size_t count)
{
    size_t len = (size_t)snprintf(note, LAM_KAFKA_NOTE, "%" PRId64 " %" PRId64 " %" PRIu32, last->offset, last->timestamp_ms, last->crc);

    for (size_t i = 0; i < count; i++) {
        char one[24];
        size_t more = (size_t)snprintf(one, sizeof one, "%c%" PRId64, i ? '+' : ' ', i ? held[i] - held[i - 1] : held[i]);

        if (len + more >= LAM_KAFKA_NOTE)
            return held[i];
        memcpy(note + len, one, more + 1);
        len += more;
    }
    return end;
}

static bool read_note(const char *note, struct lam_speed_note *last, int *len)
{
    *len = 0;
    return sscanf(note, "%" SCNd64 " %" SCNd64 " %" SCNu32 "%n", &last->offset, &last->timestamp_ms, &last->crc, len) == 3 && last->offset >= 0;
}

bool lam_speed_note_read(const char *note, struct lam_speed_note *last)
{
    int len;

    return read_note(note, last, &len);
}

int lam_speed_note_held(const char *note, int64_t position, int64_t **held, size_t *count, struct lam_error *err)
{
    struct lam_speed_note last;
    int64_t offset = 0;
    char *at, *end;
    int len;

    *held = NULL;
    *count = 0;
    if (!read_note(note, &last, &len) || note[len] != ' ')
        return 0;
    if (!(*held = calloc(LAM_KAFKA_NOTE / 2, sizeof **held))) /* of two characters at least */
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the outputs that are owed");
    for (at = (char *)(uintptr_t)note + len; (*at == ' ' || *at == '+') && *count < LAM_KAFKA_NOTE / 2; at = end) {
        int64_t more = strtoll(at + 1, &end, 10);

        if (end == at + 1 || more < (*at == '+') || more > position || (offset += more) >= position)
            break;
        (*held)[(*count)++] = offset;
    }
    return 0;
}

/* --- positions --- */

struct held {
    size_t start; /* of the setup */
    int64_t offset;
};

/* What was given last in this run. */
struct sent {
    int64_t offset;
    uint64_t note; /* its hash */
    bool known;    /* whether it was committed */
};

struct lam_speed_positions {
    const struct lam_speed_setup *setup;
    struct held *held;
    int64_t *offsets; /* of one partition */
    size_t count, cap;
    struct sent *sent; /* by start */
};

struct lam_speed_positions *lam_speed_positions_new(size_t start_count)
{
    struct lam_speed_positions *positions = calloc(1, sizeof *positions);

    if (positions && !(positions->sent = calloc(start_count + 1, sizeof *positions->sent))) {
        free(positions);
        positions = NULL;
    }
    return positions;
}

void lam_speed_positions_free(struct lam_speed_positions *positions)
{
    if (!positions)
        return;
    free(positions->held);
    free(positions->offsets);
    free(positions->sent);
    free(positions);
}

static int by_offset(const void *a, const void *b)
{
    const struct held *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void hold(void *arg, const struct lam_record *rec)
{
    struct lam_speed_positions *positions = arg;
    uint32_t partition = lam_position_partition(&rec->pos);
    size_t start = 0;

    while (start < positions->setup->start_count && positions->setup->starts[start].partition != partition)
        start++;
    if (positions->count < positions->cap)
        positions->held[positions->count] = (struct held){start, (int64_t)rec->pos.offset};
    positions->count++;
}

/* All that is held, in order. False: no memory. */
static bool list(struct lam_speed_positions *positions, const struct lam_speed_agents *agents)
{
    for (;;) {
        positions->count = 0;
        lam_speed_agents_held(agents, hold, positions);
        if (positions->count <= positions->cap)
            break;
        free(positions->held);
        free(positions->offsets);
        positions->held = calloc(2 * positions->count, sizeof *positions->held);
        positions->offsets = calloc(2 * positions->count, sizeof *positions->offsets);
        positions->cap = positions->held && positions->offsets ? 2 * positions->count : 0;
        if (!positions->cap)
            return false;
    }
    if (positions->count)
        qsort(positions->held, positions->count, sizeof *positions->held, by_offset);
    return true;
}

/* Is it further than what was given last, or as far with another note? A note that grew may reach less far: the last one, which says more, stays. */
static bool is_news(struct sent *sent, int64_t offset, const char *note)
{
    uint64_t hash = lam_hash64(note, strlen(note));

    if (offset < sent->offset || (sent->known && offset == sent->offset && hash == sent->note))
        return false;
    *sent = (struct sent){offset, hash, true};
    return true;
}

void lam_speed_positions_forget(struct lam_speed_positions *positions)
{
    for (size_t i = 0; positions->setup && i < positions->setup->start_count; i++)
        positions->sent[i].known = false;
}

size_t lam_speed_positions(struct lam_speed_positions *positions, const struct lam_speed_setup *setup, const struct lam_tail_range *reached, const struct lam_speed_note *last,
                           const struct lam_speed_agents *agents, struct lam_kafka_offset *offsets, char (*notes)[LAM_KAFKA_NOTE])
{
    size_t count = 0, at = 0;

    positions->setup = setup;
    if (!list(positions, agents))
        return 0;
    for (size_t i = 0; i < setup->start_count; i++) {
        const struct lam_speed_start *start = &setup->starts[i];
        int64_t end = (int64_t)reached[i].end;
        size_t held = 0;

        while (at < positions->count && positions->held[at].start == i)
            positions->offsets[held++] = positions->held[at++].offset;
        if (!end || last[i].offset < 0 || end < start->output || (end == start->output && held == start->held_count))
            continue; /* not back where it was, or as the last run left it */
        offsets[count] = (struct lam_kafka_offset){start->partition, lam_speed_note_write(notes[count], &last[i], end, positions->offsets, held)};
        count += offsets[count].offset >= start->output && is_news(&positions->sent[i], offsets[count].offset, notes[count]);
    }
    return count;
}
