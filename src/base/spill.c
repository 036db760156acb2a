#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK ((size_t)4 << 20) /* what is taken from the disk at once; a multiple of every page size */
#define NAME_MAX_LEN 4096

struct chunk {
    struct chunk *next;
    char *bytes;
    size_t len, used;
};

struct lam_spill {
    int fd;
    off_t len;
    struct chunk *chunks; /* the one being filled first */
    struct chunk *spare;  /* empty */
};

int lam_spill_new(struct lam_spill **out, const char *folder, struct lam_error *err)
{
    struct lam_spill *spill = calloc(1, sizeof *spill);
    char name[NAME_MAX_LEN];

    *out = NULL;
    if (!spill)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a spill");
    if (snprintf(name, sizeof name, "%s/spill.tmp.XXXXXX", folder) >= (int)sizeof name) {
        free(spill);
        return LAM_FAIL(err, LAM_E_LIMIT, "path too long: %.100s…", folder);
    }
    if ((spill->fd = mkostemp(name, O_CLOEXEC)) < 0) {
        int reason = errno;

        free(spill);
        return LAM_FAIL(err, LAM_E_IO, "create %s: %s", name, strerror(reason));
    }
    unlink(name);
    *out = spill;
    return 0;
}

void lam_spill_clear(struct lam_spill *spill)
{
    while (spill->chunks) {
        struct chunk *chunk = spill->chunks;

        spill->chunks = chunk->next;
        chunk->used = 0;
        chunk->next = spill->spare;
        spill->spare = chunk;
    }
}

void lam_spill_free(struct lam_spill *spill)
{
    if (!spill)
        return;
    lam_spill_clear(spill);
    while (spill->spare) {
        struct chunk *chunk = spill->spare;

        spill->spare = chunk->next;
        munmap(chunk->bytes, chunk->len);
        free(chunk);
    }
    close(spill->fd);
    free(spill);
}

static int grow(struct lam_spill *spill, size_t len, struct lam_error *err)
{
    struct chunk *chunk = spill->spare;
    int rc;

    if (chunk && chunk->len >= len) { /* nearly all are of one size */
        spill->spare = chunk->next;
        chunk->next = spill->chunks;
        spill->chunks = chunk;
        return 0;
    }
    chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a spill");
    chunk->len = (len + CHUNK - 1) / CHUNK * CHUNK;
    if ((rc = posix_fallocate(spill->fd, spill->len, (off_t)chunk->len))) {
        free(chunk);
        return LAM_FAIL(err, LAM_E_IO, "room for %zu bytes of a spill: %s", len, strerror(rc));
    }
    chunk->bytes = mmap(NULL, chunk->len, PROT_READ | PROT_WRITE, MAP_SHARED, spill->fd, spill->len);
    if (chunk->bytes == MAP_FAILED) {
        free(chunk);
        return LAM_FAIL(err, LAM_E_MEMORY, "map a spill: %s", strerror(errno));
    }
    spill->len += (off_t)chunk->len;
    chunk->next = spill->chunks;
    spill->chunks = chunk;
    return 0;
}

int lam_spill_room(struct lam_spill *spill, size_t len, void **room, struct lam_error *err)
{
    const size_t align = alignof(max_align_t);
    struct chunk *chunk;
    int rc;

    *room = NULL;
    if (len > SIZE_MAX / 2)
        return LAM_FAIL(err, LAM_E_LIMIT, "%zu bytes of a spill", len);
    len = (len + align - 1) / align * align;
    if ((!spill->chunks || spill->chunks->len - spill->chunks->used < len) && (rc = grow(spill, len, err)))
        return rc;
    chunk = spill->chunks;
    *room = chunk->bytes + chunk->used;
    chunk->used += len;
    return 0;
}

int lam_spill_copy(struct lam_spill *spill, struct lam_sv bytes, struct lam_sv *copy, struct lam_error *err)
{
    void *room;
    int rc;

    *copy = lam_sv("", 0);
    if (!bytes.len)
        return 0;
    if ((rc = lam_spill_room(spill, bytes.len, &room, err)))
        return rc;
    memcpy(room, bytes.ptr, bytes.len);
    *copy = lam_sv(room, bytes.len);
    return 0;
}
