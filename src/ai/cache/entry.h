/*
 * The bytes of a cache: entries, file headers, index headers. Pure functions; nothing that is read is trusted. All integers are
 * little-endian. docs/formats.md has the same pictures.
 *
 *     file      0  8  magic "LAMRESP1"
 *               8  8  writer: a random number, the first part of the name
 *              16  4  number: the second part
 *              20  8  made at, microseconds since 1970
 *              28  4  crc32c of all before
 *              32     entries
 *
 *     entry     0  4  magic "LRE1"
 *               4  4  length of the value
 *               8 16  key
 *              24  8  time, microseconds since 1970
 *              32  4  tokens in      36  4  tokens out
 *              40  4  crc32c of all before, and of the value
 *              44     value
 *
 *     index     0  8  magic "LAMRIDX1"
 *               8  4  spans S        12  4  crc32c of the keys
 *              16  8  keys N
 *              24  4  crc32c of the spans
 *              28  4  crc32c of all before
 *              32     S spans of 40 bytes: what it covers
 *                     writer u64, number u32, flags u32 (1: the file is sealed and ends here), from u32, to u32, entries u64, newest u32, zero u32
 *                     N keys of 32 bytes, ascending: key, time u32 (seconds), span u32, offset u32 (of the entry in its file), length u32 (of the value)
 */
#ifndef LAMINA_AI_CACHE_ENTRY_H
#define LAMINA_AI_CACHE_ENTRY_H

#include "ai/cache.h"

#define CACHE_FILE_HEADER 32u
#define CACHE_ENTRY_HEADER 44u
#define CACHE_INDEX_HEADER 32u
#define CACHE_SPAN_BYTES 40u
#define CACHE_KEY_BYTES 32u
#define CACHE_FILE_MAX ((uint64_t)1 << 31) /* offsets are 32 bits; a file ends far below */
#define CACHE_NAME 48                      /* bytes of a file's name with the NUL */
#define CACHE_FILE_SUFFIX ".answers"
#define CACHE_INDEX_SUFFIX ".index"

struct cache_file_id {
    uint64_t writer;
    uint32_t number;
};

/* Part of a file that an index covers. */
struct cache_span {
    struct cache_file_id id;
    bool sealed;
    uint32_t from, to;
    uint64_t entries;
    uint32_t newest; /* seconds since 1970 */
};

/* A key and where its entry is. file means a span in an index, a file's number in memory elsewhere. */
struct cache_key {
    struct lam_digest digest;
    uint32_t time, file, offset, len;
};

struct cache_index_header {
    uint32_t spans, spans_crc, keys_crc;
    uint64_t keys;
};

/* 0, or LAM_E_CORRUPT without a text: who reads knows where it stood. */
void cache_write_file_header(unsigned char out[CACHE_FILE_HEADER], struct cache_file_id id, int64_t made_us);
int cache_read_file_header(const unsigned char *in, size_t len, struct cache_file_id id);

void cache_write_entry_header(unsigned char out[CACHE_ENTRY_HEADER], struct lam_digest key, const struct lam_cache_meta *meta, struct lam_sv value);

/*
 * The entry that begins at in: 0; LAM_PENDING: in may be the beginning of one, *need bytes are needed to tell; LAM_E_CORRUPT: it is none.
 * value is borrowed from in.
 */
int cache_read_entry(const unsigned char *in, size_t len, struct lam_cache_entry *entry, size_t *need);

void cache_write_index_header(unsigned char out[CACHE_INDEX_HEADER], const struct cache_index_header *header);

/* Of an index of so many bytes: what the header says must be just that. */
int cache_read_index_header(const unsigned char *in, uint64_t len, struct cache_index_header *header);

void cache_write_span(unsigned char out[CACHE_SPAN_BYTES], const struct cache_span *span);
int cache_read_span(const unsigned char in[CACHE_SPAN_BYTES], struct cache_span *span);

void cache_write_key(unsigned char out[CACHE_KEY_BYTES], const struct cache_key *key);
struct cache_key cache_read_key(const unsigned char in[CACHE_KEY_BYTES]);

/* "<16 hex digits>-<8 digits>.answers", and back; false where a name is none. */
void cache_file_name(char name[CACHE_NAME], struct cache_file_id id);
bool cache_parse_file_name(const char *name, struct cache_file_id *id);
bool cache_is_index_name(const char *name);

int cache_file_cmp(struct cache_file_id a, struct cache_file_id b);
static inline uint32_t cache_seconds(int64_t time_us) { return time_us <= 0 ? 0 : time_us / 1000000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(time_us / 1000000); }

#endif
