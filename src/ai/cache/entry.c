#include "entry.h"

#include <inttypes.h>
#include <stdio.h>

static const unsigned char file_magic[8] = "LAMRESP1", index_magic[8] = "LAMRIDX1", entry_magic[4] = "LRE1";

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static void put64(unsigned char *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static uint64_t get64(const unsigned char *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

void cache_write_file_header(unsigned char out[CACHE_FILE_HEADER], struct cache_file_id id, int64_t made_us)
{
    memcpy(out, file_magic, 8);
    put64(out + 8, id.writer);
    put32(out + 16, id.number);
    put64(out + 20, (uint64_t)made_us);
    put32(out + 28, lam_crc32c(0, out, 28));
}

int cache_read_file_header(const unsigned char *in, size_t len, struct cache_file_id id)
{
    bool good = len >= CACHE_FILE_HEADER && !memcmp(in, file_magic, 8) && get32(in + 28) == lam_crc32c(0, in, 28) && get64(in + 8) == id.writer &&
                get32(in + 16) == id.number;

    return good ? 0 : LAM_E_CORRUPT;
}

void cache_write_entry_header(unsigned char out[CACHE_ENTRY_HEADER], struct lam_digest key, const struct lam_cache_meta *meta, struct lam_sv value)
{
    memcpy(out, entry_magic, 4);
    put32(out + 4, (uint32_t)value.len);
    memcpy(out + 8, key.bytes, 16);
    put64(out + 24, (uint64_t)meta->time_us);
    put32(out + 32, meta->tokens_in);
    put32(out + 36, meta->tokens_out);
    put32(out + 40, lam_crc32c(lam_crc32c(0, out, 40), value.ptr, value.len));
}

int cache_read_entry(const unsigned char *in, size_t len, struct lam_cache_entry *entry, size_t *need)
{
    size_t value_len;

    *need = CACHE_ENTRY_HEADER;
    if (len && memcmp(in, entry_magic, len < 4 ? len : 4))
        return LAM_E_CORRUPT;
    if (len < CACHE_ENTRY_HEADER)
        return LAM_PENDING;
    value_len = get32(in + 4);
    if (value_len > LAM_CACHE_VALUE_MAX)
        return LAM_E_CORRUPT;
    *need = CACHE_ENTRY_HEADER + value_len;
    if (len < *need)
        return LAM_PENDING;
    if (get32(in + 40) != lam_crc32c(lam_crc32c(0, in, 40), in + CACHE_ENTRY_HEADER, value_len))
        return LAM_E_CORRUPT;
    memcpy(entry->key.bytes, in + 8, 16);
    entry->meta = (struct lam_cache_meta){(int64_t)get64(in + 24), get32(in + 32), get32(in + 36)};
    entry->value = lam_sv((const char *)in + CACHE_ENTRY_HEADER, value_len);
    return 0;
}

void cache_write_index_header(unsigned char out[CACHE_INDEX_HEADER], const struct cache_index_header *header)
{
    memcpy(out, index_magic, 8);
    put32(out + 8, header->spans);
    put32(out + 12, header->keys_crc);
    put64(out + 16, header->keys);
    put32(out + 24, header->spans_crc);
    put32(out + 28, lam_crc32c(0, out, 28));
}

int cache_read_index_header(const unsigned char *in, uint64_t len, struct cache_index_header *header)
{
    if (len < CACHE_INDEX_HEADER || memcmp(in, index_magic, 8) || get32(in + 28) != lam_crc32c(0, in, 28))
        return LAM_E_CORRUPT;
    *header = (struct cache_index_header){get32(in + 8), get32(in + 24), get32(in + 12), get64(in + 16)};
    len -= CACHE_INDEX_HEADER;
    if (header->keys > len / CACHE_KEY_BYTES || len - header->keys * CACHE_KEY_BYTES != (uint64_t)header->spans * CACHE_SPAN_BYTES)
        return LAM_E_CORRUPT;
    return 0;
}

void cache_write_span(unsigned char out[CACHE_SPAN_BYTES], const struct cache_span *span)
{
    put64(out, span->id.writer);
    put32(out + 8, span->id.number);
    put32(out + 12, span->sealed);
    put32(out + 16, span->from);
    put32(out + 20, span->to);
    put64(out + 24, span->entries);
    put32(out + 32, span->newest);
    put32(out + 36, 0);
}

int cache_read_span(const unsigned char in[CACHE_SPAN_BYTES], struct cache_span *span)
{
    *span = (struct cache_span){{get64(in), get32(in + 8)}, get32(in + 12) & 1, get32(in + 16), get32(in + 20), get64(in + 24), get32(in + 32)};
    return span->from <= span->to && span->to <= CACHE_FILE_MAX ? 0 : LAM_E_CORRUPT;
}

void cache_write_key(unsigned char out[CACHE_KEY_BYTES], const struct cache_key *key)
{
    memcpy(out, key->digest.bytes, 16);
    put32(out + 16, key->time);
    put32(out + 20, key->file);
    put32(out + 24, key->offset);
    put32(out + 28, key->len);
}

struct cache_key cache_read_key(const unsigned char in[CACHE_KEY_BYTES])
{
    struct cache_key key = {.time = get32(in + 16), .file = get32(in + 20), .offset = get32(in + 24), .len = get32(in + 28)};

    memcpy(key.digest.bytes, in, 16);
    return key;
}

void cache_file_name(char name[CACHE_NAME], struct cache_file_id id)
{
    snprintf(name, CACHE_NAME, "%016" PRIx64 "-%08" PRIu32 CACHE_FILE_SUFFIX, id.writer, id.number);
}

bool cache_parse_file_name(const char *name, struct cache_file_id *id)
{
    char again[CACHE_NAME];

    if (strlen(name) >= CACHE_NAME || sscanf(name, "%16" SCNx64 "-%8" SCNu32, &id->writer, &id->number) != 2)
        return false;
    cache_file_name(again, *id);
    return !strcmp(again, name);
}

bool cache_is_index_name(const char *name)
{
    size_t len = strlen(name), suffix = sizeof CACHE_INDEX_SUFFIX - 1;

    return len > suffix && len < CACHE_NAME && !strcmp(name + len - suffix, CACHE_INDEX_SUFFIX) && !strstr(name, LAM_TMP_MARK);
}

int cache_file_cmp(struct cache_file_id a, struct cache_file_id b)
{
    if (a.writer != b.writer)
        return a.writer < b.writer ? -1 : 1;
    return (a.number > b.number) - (a.number < b.number);
}
