/* gzip (the first byte is even) and zstd of anything: what decodes stays within its limits, and reading it twice in other steps gives the same. */
#include "source/decode.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DECODED 200000

static int decode(int fd, enum lam_pack pack, size_t size, size_t step, uint64_t *hash, uint64_t *len)
{
    struct lam_decoder_options options = {.pack = pack, .name = "f", .size = size, .digest_end = size, .max_decoded = MAX_DECODED, .max_ratio = 100};
    struct lam_hash_state *state = lam_hash_new();
    struct lam_decoder *decoder;
    struct lam_digest digest;
    struct lam_error err;
    char bytes[4096];
    int rc;

    *len = 0;
    if (!state || lam_decoder_open(&decoder, fd, &options, &err))
        abort();
    do {
        size_t n;

        rc = lam_decoder_read(decoder, bytes, step, &n, &err);
        if (n > step || (!rc && n == 0))
            abort();
        lam_hash_add(state, bytes, n);
        *len += n;
    } while (!rc);
    if (rc != LAM_END && rc != LAM_E_CORRUPT && rc != LAM_E_LIMIT && rc != LAM_E_MEMORY)
        abort();
    if (*len > MAX_DECODED || lam_decoder_drain(decoder, &err) || lam_decoder_digests(decoder)->count != (size > 0))
        abort();
    digest = lam_hash_end(state);
    *hash = lam_hash64(digest.bytes, sizeof digest.bytes);
    lam_hash_free(state);
    lam_decoder_close(decoder);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    uint64_t hash, other, len, other_len;
    enum lam_pack pack;
    int rc, again;

    if (size < 1)
        return 0;
    if (fd < 0 && (fd = memfd_create("fuzz", MFD_CLOEXEC)) < 0)
        abort();
    pack = data[0] & 1 ? LAM_PACK_ZSTD : LAM_PACK_GZIP;
    data++;
    size--;
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    rc = decode(fd, pack, size, 4096, &hash, &len);
    again = decode(fd, pack, size, 7, &other, &other_len);
    if (rc != again || (rc == LAM_END && (hash != other || len != other_len)))
        abort();
    return 0;
}
