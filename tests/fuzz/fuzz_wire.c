/* Wire frames of foreign bytes: rows, or an error, and what was decoded encodes to the same bytes. The crc is put right first, or nothing would pass it. */
#include "model/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_block *block = lam_block_new(1000, 1 << 20);
    char *frame = malloc(size ? size : 1);
    struct lam_buf again;
    uint64_t len = size;

    memcpy(frame, data, size);
    lam_wire_decode(lam_sv(frame, size), block, NULL);
    lam_block_clear(block);
    if (size >= LAM_WIRE_MIN) {
        uint32_t crc;

        memcpy(frame, "LAMW\1\0\0\0", 8);
        memcpy(frame + 8, &len, sizeof len);
        crc = lam_crc32c(0, frame, size - 4);
        memcpy(frame + size - 4, &crc, sizeof crc);
        lam_buf_init(&again, 4 << 20);
        if (lam_wire_decode(lam_sv(frame, size), block, NULL) == 0 &&
            (lam_wire_add_block(&again, block, NULL) || !lam_sv_eq(lam_buf_sv(&again), lam_sv(frame, size)))) {
            fprintf(stderr, "a frame of %zu rows encodes differently\n", lam_block_rows(block));
            abort();
        }
        lam_buf_release(&again);
    }
    free(frame);
    lam_block_free(block);
    return 0;
}
