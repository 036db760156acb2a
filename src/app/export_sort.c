#include "export_sort.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

#define LINES_MAX (LAM_EXPORT_SORT_MEMORY / 32) /* of a chunk */
#define WINDOW_MIN ((size_t)16 << 10)           /* of a chunk while it is merged */
#define LINE_LIMIT ((size_t)2 << 30)

/* In the spill file a line is: key length u64, line length u64, key, line. */
struct head {
    uint64_t key, line;
};

/* In a chunk: where key and line, behind each other, begin. */
struct item {
    size_t at, number;
    struct head head;
};

/* A chunk in the spill file, and the window of it that is in memory. */
struct part {
    off_t at, end;      /* what is not read yet */
    struct lam_buf window;
    size_t used;        /* bytes of the window that were given out */
    struct head head;   /* of the current line */
    bool live;
};

struct lam_export_sort {
    struct lam_buf bytes;
    struct item *items;
    size_t count, cap;
    FILE *spill;
    off_t spilled;
    struct part *parts;
    size_t part_count, part_cap;
    size_t window;
};

int lam_export_sort_new(struct lam_export_sort **out, struct lam_error *err)
{
    struct lam_export_sort *sort = calloc(1, sizeof *sort);

    if (!(*out = sort))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort");
    lam_buf_init(&sort->bytes, LINE_LIMIT);
    return 0;
}

void lam_export_sort_free(struct lam_export_sort *sort)
{
    if (!sort)
        return;
    for (size_t i = 0; i < sort->part_count; i++)
        lam_buf_release(&sort->parts[i].window);
    if (sort->spill)
        fclose(sort->spill);
    lam_buf_release(&sort->bytes);
    free(sort->parts);
    free(sort->items);
    free(sort);
}

static int by_key(const void *a, const void *b, void *bytes)
{
    const struct item *x = a, *y = b;
    int order = lam_sv_cmp(lam_sv((char *)bytes + x->at, x->head.key), lam_sv((char *)bytes + y->at, y->head.key));

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static void sort_chunk(struct lam_export_sort *sort) { qsort_r(sort->items, sort->count, sizeof *sort->items, by_key, sort->bytes.ptr); }

static int open_spill(struct lam_export_sort *sort, struct lam_error *err)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    int fd;

    if (sort->spill)
        return 0;
    snprintf(path, sizeof path, "%s/lamina-export-XXXXXX", folder && *folder ? folder : "/tmp");
    if ((fd = mkstemp(path)) < 0)
        return LAM_FAIL(err, LAM_E_IO, "%s: %s", path, strerror(errno));
    unlink(path);
    if (!(sort->spill = fdopen(fd, "w+b"))) {
        close(fd);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort");
    }
    return 0;
}

static int spill(struct lam_export_sort *sort, struct lam_error *err)
{
    struct part *parts;
    int rc = open_spill(sort, err);

    if (rc)
        return rc;
    if (sort->part_count == sort->part_cap) {
        size_t cap = sort->part_cap ? 2 * sort->part_cap : 16;

        if (!(parts = realloc(sort->parts, cap * sizeof *parts)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort");
        sort->parts = parts;
        sort->part_cap = cap;
    }
    sort_chunk(sort);
    sort->parts[sort->part_count] = (struct part){.at = sort->spilled};
    for (size_t i = 0; i < sort->count; i++) {
        const struct item *item = &sort->items[i];
        size_t len = item->head.key + item->head.line;

        if (fwrite(&item->head, sizeof item->head, 1, sort->spill) != 1 || (len && fwrite(sort->bytes.ptr + item->at, len, 1, sort->spill) != 1))
            return LAM_FAIL(err, LAM_E_IO, "write lines to be sorted: %s", strerror(errno));
        sort->spilled += (off_t)(sizeof item->head + len);
    }
    if (fflush(sort->spill))
        return LAM_FAIL(err, LAM_E_IO, "write lines to be sorted: %s", strerror(errno));
    sort->parts[sort->part_count++].end = sort->spilled;
    sort->count = 0;
    lam_buf_clear(&sort->bytes);
    return 0;
}

int lam_export_sort_add(struct lam_export_sort *sort, struct lam_sv key, struct lam_sv line, struct lam_error *err)
{
    struct item *items;
    int rc;

    if (sort->count && (sort->count == LINES_MAX || sort->bytes.len + key.len + line.len > LAM_EXPORT_SORT_MEMORY) && (rc = spill(sort, err)))
        return rc;
    if (sort->count == sort->cap) {
        size_t cap = sort->cap ? 2 * sort->cap : 1024;

        if (!(items = realloc(sort->items, cap * sizeof *items)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory to sort");
        sort->items = items;
        sort->cap = cap;
    }
    sort->items[sort->count] = (struct item){sort->bytes.len, sort->count, {key.len, line.len}};
    if ((rc = lam_buf_add_sv(&sort->bytes, key, err)) || (rc = lam_buf_add_sv(&sort->bytes, line, err)))
        return rc;
    sort->count++;
    return 0;
}

/* Has at least len bytes of the part in its window, behind used. */
static int fill(struct lam_export_sort *sort, struct part *part, size_t len, struct lam_error *err)
{
    size_t kept = part->window.len - part->used, want;
    int rc;

    if (kept >= len)
        return 0;
    if (part->used)
        memmove(part->window.ptr, part->window.ptr + part->used, kept);
    part->window.len = kept;
    part->used = 0;
    want = len > sort->window ? len : sort->window;
    if ((off_t)(want - kept) > part->end - part->at)
        want = kept + (size_t)(part->end - part->at);
    if (want < len)
        return LAM_FAIL(err, LAM_E_CORRUPT, "the file of lines to be sorted became shorter");
    if ((rc = lam_buf_reserve(&part->window, want - kept, err)))
        return rc;
    while (part->window.len < want) {
        ssize_t got = pread(fileno(sort->spill), part->window.ptr + part->window.len, want - part->window.len, part->at);

        if (got <= 0)
            return LAM_FAIL(err, LAM_E_IO, "read lines to be sorted: %s", got ? strerror(errno) : "the file became shorter");
        part->window.len += (size_t)got;
        part->at += got;
    }
    return 0;
}

static int next_line(struct lam_export_sort *sort, struct part *part, struct lam_error *err)
{
    int rc;

    if (part->live)
        part->used += sizeof part->head + part->head.key + part->head.line;
    part->live = part->used < part->window.len || part->at < part->end;
    if (!part->live)
        return 0;
    if ((rc = fill(sort, part, sizeof part->head, err)))
        return rc;
    memcpy(&part->head, part->window.ptr + part->used, sizeof part->head);
    return fill(sort, part, sizeof part->head + part->head.key + part->head.line, err);
}

static struct lam_sv key_of(const struct part *part) { return lam_sv(part->window.ptr + part->used + sizeof part->head, part->head.key); }

/* The least of all current lines; an earlier chunk first. Chunks are few: there is one for each 64 MiB. */
static struct part *least(struct lam_export_sort *sort)
{
    struct part *best = NULL;

    for (size_t i = 0; i < sort->part_count; i++)
        if (sort->parts[i].live && (!best || lam_sv_cmp(key_of(&sort->parts[i]), key_of(best)) < 0))
            best = &sort->parts[i];
    return best;
}

static int merge(struct lam_export_sort *sort, int (*put)(void *arg, struct lam_sv line, struct lam_error *err), void *arg, struct lam_error *err)
{
    struct part *part;
    int rc = 0;

    lam_buf_release(&sort->bytes);
    sort->window = LAM_EXPORT_SORT_MEMORY / sort->part_count;
    if (sort->window < WINDOW_MIN)
        sort->window = WINDOW_MIN;
    for (size_t i = 0; !rc && i < sort->part_count; i++) {
        lam_buf_init(&sort->parts[i].window, LINE_LIMIT);
        rc = next_line(sort, &sort->parts[i], err);
    }
    while (!rc && (part = least(sort)))
        if (!(rc = put(arg, lam_sv(part->window.ptr + part->used + sizeof part->head + part->head.key, part->head.line), err)))
            rc = next_line(sort, part, err);
    return rc;
}

int lam_export_sort_end(struct lam_export_sort *sort, int (*put)(void *arg, struct lam_sv line, struct lam_error *err), void *arg, struct lam_error *err)
{
    int rc = 0;

    if (sort->part_count) {
        if (sort->count && (rc = spill(sort, err)))
            return rc;
        return merge(sort, put, arg, err);
    }
    sort_chunk(sort);
    for (size_t i = 0; !rc && i < sort->count; i++)
        rc = put(arg, lam_sv(sort->bytes.ptr + sort->items[i].at + sort->items[i].head.key, sort->items[i].head.line), err);
    return rc;
}
