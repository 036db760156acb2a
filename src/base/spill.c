#include "spill.h"

#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK ((size_t)4 << 20) /* what is taken from the disk at once; a multiple of every page size */

struct chunk {
    struct chunk *next;
    char *bytes;
    size_t len, used;
};

struct lam_spill {
    const struct lam_fs *fs;
    int fd;
    off_t len;
    struct chunk *chunks; /* the one being filled first */
    struct chunk *spare;  /* empty */
};

int lam_spill_new(struct lam_spill **out, const struct lam_fs *fs, const char *folder, struct lam_error *err)
{
    struct lam_spill *spill;
    char path[LAM_PATH_MAX], name[LAM_PATH_MAX];
    int rc;

    *out = NULL;
    if ((rc = lam_path_join(path, folder, "spill", err)) || (rc = lam_fs_temporary(name, path, err)))
        return rc;
    if (!(spill = calloc(1, sizeof *spill)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a spill");
    spill->fs = fs;
    if ((spill->fd = fs->ops->open(fs->arg, name, O_RDWR | O_CREAT | O_EXCL, 0600)) < 0) {
        rc = LAM_FAIL(err, LAM_E_IO, "create %s: %s", name, strerror(-spill->fd));
        free(spill);
        return rc;
    }
    if ((rc = fs->ops->unlink(fs->arg, name))) { /* nothing but the name would tell that it is nobody's */
        rc = LAM_FAIL(err, LAM_E_IO, "remove the name %s: %s", name, strerror(-rc));
        lam_spill_free(spill);
        return rc;
    }
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
    spill->fs->ops->close(spill->fs->arg, spill->fd); /* nobody reads it any more */
    free(spill);
}

/* Room behind what the file has, mapped. After a failure the file may be longer: the next chunk takes the same place. */
static int map_chunk(struct lam_spill *spill, struct chunk *chunk, struct lam_error *err)
{
    const struct lam_fs *fs = spill->fs;
    void *bytes;
    int rc;

    if ((rc = fs->ops->allocate(fs->arg, spill->fd, spill->len, (off_t)chunk->len)))
        return LAM_FAIL(err, LAM_E_IO, "room for %zu bytes of a spill: %s", chunk->len, strerror(-rc));
    if ((rc = fs->ops->map(fs->arg, spill->fd, PROT_READ | PROT_WRITE, spill->len, chunk->len, &bytes)))
        return LAM_FAIL(err, LAM_E_MEMORY, "map a spill: %s", strerror(-rc));
    chunk->bytes = bytes;
    spill->len += (off_t)chunk->len;
    return 0;
}

static int grow(struct lam_spill *spill, size_t len, struct lam_error *err)
{
    struct chunk *chunk = spill->spare;
    int rc;

    if (chunk && chunk->len >= len) { /* nearly all are of one size */
        spill->spare = chunk->next;
    } else {
        if (!(chunk = calloc(1, sizeof *chunk)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a spill");
        chunk->len = (len + CHUNK - 1) / CHUNK * CHUNK;
        if ((rc = map_chunk(spill, chunk, err))) {
            free(chunk);
            return rc;
        }
    }
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
