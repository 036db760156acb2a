/*
 * Checkpoints from anywhere: never a crash, never a leak; what is read is written as the same body. As the crc keeps a fuzzer out, the same
 * bytes are tried again under a right one.
 */
#include <endian.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_bytes(struct lam_sv bytes)
{
    struct lam_error err;
    struct lam_state *state, *copy;
    struct lam_buf again;

    if (lam_checkpoint_read(bytes, &state, &err)) {
        if (state || !err.text[0])
            abort();
        return;
    }
    lam_buf_init(&again, LAM_CHECKPOINT_BYTES);
    if (lam_checkpoint_write(state, &again, &err) || again.len != bytes.len ||
        memcmp(again.ptr + LAM_CHECKPOINT_HEADER, bytes.ptr + LAM_CHECKPOINT_HEADER, bytes.len - LAM_CHECKPOINT_HEADER))
        abort();
    if (lam_state_clone(state, &copy, &err))
        abort();
    lam_state_unref(state);
    lam_state_unref(copy);
    lam_buf_release(&again);
}

static void put_crc(char *at, const char *bytes, size_t len)
{
    uint32_t crc = htole32(lam_crc32c(0, bytes, len));

    memcpy(at, &crc, sizeof crc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t body;
    char *copy;

    try_bytes(lam_sv((const char *)data, size));
    if (size < LAM_CHECKPOINT_HEADER || !(copy = malloc(size)))
        return 0;
    memcpy(copy, data, size);
    memcpy(copy, "LAMCKPT\n\1\0\0\0", 12);
    body = htole64(size - LAM_CHECKPOINT_HEADER);
    memcpy(copy + 32, &body, sizeof body);
    put_crc(copy + 40, copy + LAM_CHECKPOINT_HEADER, size - LAM_CHECKPOINT_HEADER);
    put_crc(copy + 12, copy + 16, LAM_CHECKPOINT_HEADER - 16);
    try_bytes(lam_sv(copy, size));
    free(copy);
    return 0;
}
