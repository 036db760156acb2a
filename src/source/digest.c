#include "digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_STEP ((size_t)256 << 10)

int lam_digester_init(struct lam_digester *digester, struct lam_error *err)
{
    *digester = (struct lam_digester){.hash = lam_hash_new()};
    return digester->hash ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a digest");
}

void lam_digester_release(struct lam_digester *digester)
{
    lam_hash_free(digester->hash);
    free(digester->blocks);
    *digester = (struct lam_digester){0};
}

int lam_digester_end(struct lam_digester *digester, struct lam_error *err)
{
    if (digester->filled == 0)
        return 0;
    if (digester->count == digester->cap) {
        size_t cap = digester->cap ? 2 * digester->cap : 8;
        struct lam_digest *blocks = realloc(digester->blocks, cap * sizeof *blocks);

        if (!blocks)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu block digests", cap);
        digester->blocks = blocks;
        digester->cap = cap;
    }
    digester->blocks[digester->count++] = lam_hash_end(digester->hash);
    lam_hash_reset(digester->hash);
    digester->filled = 0;
    return 0;
}

int lam_digester_add(struct lam_digester *digester, const void *bytes, size_t len, struct lam_error *err)
{
    const char *p = bytes;

    while (len > 0) {
        uint64_t room = LAM_DIGEST_BLOCK - digester->filled;
        size_t part = len < room ? len : (size_t)room;
        int rc;

        lam_hash_add(digester->hash, p, part);
        digester->filled += part;
        p += part;
        len -= part;
        if (digester->filled == LAM_DIGEST_BLOCK && (rc = lam_digester_end(digester, err)))
            return rc;
    }
    return 0;
}

struct lam_digest lam_digest_of_blocks(const struct lam_digest *blocks, size_t count)
{
    return lam_hash128(count ? (const void *)blocks : "", count * sizeof *blocks);
}

int lam_digest_prefix(int fd, const char *name, uint64_t len, struct lam_digester *digester, struct lam_error *err)
{
    char *bytes = malloc(len < READ_STEP ? (size_t)len + 1 : READ_STEP);
    uint64_t offset = 0;
    int rc = bytes ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory to read %s", name);

    while (!rc && offset < len) {
        size_t part = len - offset < READ_STEP ? (size_t)(len - offset) : READ_STEP;
        ssize_t n = pread(fd, bytes, part, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = LAM_FAIL(err, LAM_E_IO, "read %s at byte %" PRIu64 ": %s", name, offset, strerror(errno));
        else if (n == 0)
            rc = LAM_FAIL(err, LAM_E_CONFLICT, "%s ends at byte %" PRIu64 ", before the %" PRIu64 " that it had", name, offset, len);
        else
            rc = lam_digester_add(digester, bytes, (size_t)n, err);
        offset += n > 0 ? (uint64_t)n : 0;
    }
    free(bytes);
    return rc;
}
