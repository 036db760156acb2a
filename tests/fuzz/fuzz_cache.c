/*
 * Files of the response cache: any bytes as a file of answers, as an index, or as the entries of a good file: lookups end, what is given has its CRC, a walk
 * and a prune end.
 */
#include <stdlib.h>
#include <string.h>

#include "ai/cache.h"
#include "ai/cache/entry.h"
#include "ai/cache/index.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *arg, const struct lam_cache_entry *entry, struct lam_error *err)
{
    (void)err;
    *(uint32_t *)arg ^= lam_crc32c(0, entry->value.ptr, entry->value.len);
    return 0;
}

/* Index bytes whose checksums are made right first, or no invented byte would get past them. */
static void repair_index(unsigned char *bytes, size_t size)
{
    struct cache_index_header header;
    uint64_t spans, left;

    if (size < CACHE_INDEX_HEADER)
        return;
    left = size - CACHE_INDEX_HEADER;
    spans = bytes[8] % 8;
    spans = spans * CACHE_SPAN_BYTES > left ? 0 : spans;
    header = (struct cache_index_header){.spans = (uint32_t)spans, .keys = (left - spans * CACHE_SPAN_BYTES) / CACHE_KEY_BYTES};
    header.spans_crc = lam_crc32c(0, bytes + CACHE_INDEX_HEADER, (size_t)spans * CACHE_SPAN_BYTES);
    header.keys_crc = lam_crc32c(0, bytes + CACHE_INDEX_HEADER + spans * CACHE_SPAN_BYTES, (size_t)header.keys * CACHE_KEY_BYTES);
    cache_write_index_header(bytes, &header);
}

static void use(const char *folder, const uint8_t *data, size_t size)
{
    struct lam_cache_options options = {.max_keys = 8, .refresh_us = -1};
    struct lam_cache *cache;
    struct lam_error err;
    struct lam_buf value;
    uint32_t sum = 0;

    if (lam_cache_open(&cache, folder, &options, &err))
        return;
    lam_buf_init(&value, 1 << 20);
    for (size_t at = 0; at + 16 <= size && at < 4096; at += at < 64 ? 1 : 16) {
        struct lam_digest key;

        memcpy(key.bytes, data + at, 16);
        lam_buf_clear(&value);
        lam_cache_get(cache, key, &value, NULL, &err);
    }
    lam_cache_walk(cache, visit, &sum, &err);
    lam_cache_prune(cache, 0, 0, NULL, &err);
    lam_buf_release(&value);
    lam_cache_close(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cache_file_id id = {1, 1};
    unsigned char *copy = malloc(size + CACHE_FILE_HEADER);
    char folder[SCRATCH_PATH], path[LAM_PATH_MAX], name[CACHE_NAME];

    scratch_make(folder);
    if (!copy || lam_path_join(path, folder, LAM_CACHE_FOLDER, NULL) || lam_fs_mkdirs(&lam_fs_system, path, NULL))
        abort();
    cache_file_name(name, id);
    cache_write_file_header(copy, id, 0);
    memcpy(copy + CACHE_FILE_HEADER, data, size);
    scratch_write(scratch_join(path, name), copy, size + CACHE_FILE_HEADER);
    id.number = 2;
    cache_file_name(name, id);
    scratch_write(scratch_join(path, name), data, size);
    memcpy(copy, data, size);
    repair_index(copy, size);
    scratch_write(scratch_join(path, "00000000000000aa.index"), copy, size);
    use(folder, data, size);
    scratch_remove(folder);
    free(copy);
    return 0;
}
