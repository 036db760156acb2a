/* What the tests of files share: a folder of their own, files in it, and the items of a reading as a list to compare. */
#ifndef LAMINA_TESTS_SOURCE_SCRATCH_H
#define LAMINA_TESTS_SOURCE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/files.h"
#include "source/scan.h"
#include "source/split.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define UNUSED __attribute__((unused))

static char scratch[64];

static UNUSED int scratch_setup(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/lamina-source-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static UNUSED int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (kind == FTW_DNR || kind == FTW_D)
        chmod(path, 0700);
    return remove(path);
}

static UNUSED int scratch_teardown(void **state)
{
    (void)state;
    return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static UNUSED const char *at(const char *name)
{
    static char path[4][1024];
    static int turn;
    char *p = path[turn = (turn + 1) % 4];

    snprintf(p, sizeof path[0], "%s/%s", scratch, name);
    return p;
}

static UNUSED void put_file(const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(at(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static UNUSED void put_text(const char *name, const char *text) { put_file(name, text, strlen(text)); }

static UNUSED void put_age(const char *name, int seconds)
{
    struct timespec now, times[2];

    clock_gettime(CLOCK_REALTIME, &now);
    times[0] = times[1] = (struct timespec){now.tv_sec - seconds, 123456789};
    assert_int_equal(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

static UNUSED size_t pack_gzip(const void *bytes, size_t len, char *to, size_t room)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static UNUSED size_t pack_zstd(const void *bytes, size_t len, char *to, size_t room)
{
    size_t n = ZSTD_compress(to, room, bytes, len, 3);

    assert_false(ZSTD_isError(n));
    return n;
}

/* A reading as one text: a line an item, so that two readings compare as strings and a difference can be read. */
struct reading {
    char *text;
    size_t len, cap;
    uint64_t records, rejects;
    struct lam_digest blocks[64]; /* by number; have says which came */
    bool have[64], ended;
};

static UNUSED void reading_add(struct reading *reading, const void *bytes, size_t len)
{
    if (reading->len + len + 1 > reading->cap) {
        reading->cap = 2 * (reading->len + len + 1);
        reading->text = realloc(reading->text, reading->cap);
        assert_non_null(reading->text);
    }
    if (len)
        memcpy(reading->text + reading->len, bytes, len);
    reading->len += len;
    reading->text[reading->len] = '\0';
}

static UNUSED void reading_item(struct reading *reading, const struct lam_item *item)
{
    static const char *const kinds[] = {"record", "reject", "damage"};
    char head[64];

    snprintf(head, sizeof head, "%s %" PRIu64 " [", kinds[item->kind], item->offset);
    reading_add(reading, head, strlen(head));
    reading_add(reading, item->bytes.ptr, item->bytes.len);
    reading_add(reading, "] [", 3);
    reading_add(reading, item->raw.ptr, item->raw.len);
    reading_add(reading, "] ", 2);
    reading_add(reading, item->reason.ptr, item->reason.len);
    reading_add(reading, "\n", 1);
}

static UNUSED void reading_release(struct reading *reading)
{
    free(reading->text);
    *reading = (struct reading){0};
}

#define assert_ok(call) \
    do { \
        struct lam_error *e_ = &err; \
        int rc_ = (call); \
        if (rc_) \
            fail_msg("%s: %d %s", #call, rc_, e_->text); \
    } while (0)

/* Adds one split's items. */
static UNUSED void read_split(const struct lam_files_options *options, const struct lam_split *split, struct reading *reading)
{
    struct lam_files_result result;
    struct lam_files *files;
    struct lam_error err = {0};
    struct lam_item item;
    int rc;

    assert_ok(lam_files_open(&files, options, split, &err));
    while ((rc = lam_files_next(files, &item, &err)) == 0)
        reading_item(reading, &item);
    if (rc != LAM_END)
        fail_msg("next: %d %s", rc, err.text);
    assert_ok(lam_files_finish(files, &result, &err));
    reading->records += result.records;
    reading->rejects += result.rejects;
    for (size_t i = 0; i < result.block_count; i++) {
        size_t block = (size_t)result.first_block + i;

        assert_in_range(block, 0, 63);
        assert_false(reading->have[block]); /* no two splits digest one block */
        reading->have[block] = true;
        reading->blocks[block] = result.blocks[i];
    }
    if (split->end >= split->size)
        reading->ended = result.ended;
    lam_files_close(files);
}

/* What a scan finds of this one file, as new. */
static UNUSED struct lam_scan_file look_at(const char *name, enum lam_format format)
{
    struct lam_sv path = lam_sv_of(name);
    struct stat st;

    assert_int_equal(stat(at(name), &st), 0);
    return (struct lam_scan_file){.path = path, .partition = lam_hash128(name, path.len), .size = (uint64_t)st.st_size,
                                  .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, .state = LAM_FILE_NEW,
                                  .format = format ? format : lam_format_of(path), .pack = lam_pack_of(path)};
}

static UNUSED struct lam_files_options options_here(void)
{
    struct lam_files_options options;

    lam_files_defaults(&options);
    options.root = scratch;
    return options;
}

/* Reads all splits of a file but those in done. */
static UNUSED void read_file(const struct lam_files_options *options, const struct lam_scan_file *file,
                             uint64_t split_size, const struct lam_range *done, size_t done_count,
                             struct reading *reading)
{
    struct lam_cutter *cutter;
    struct lam_split split, wired;
    struct lam_error err = {0};
    int rc;

    assert_ok(lam_cutter_open(&cutter, options, 7, file, split_size, done, done_count, &err));
    while ((rc = lam_cutter_next(cutter, &split, &err)) == 0) {
        struct lam_buf wire;

        lam_buf_init(&wire, 8192);
        assert_ok(lam_split_encode(&split, &wire, &err));
        assert_ok(lam_split_decode(lam_buf_sv(&wire), &wired, &err));
        assert_int_equal(wired.source, 7);
        read_split(options, &wired, reading);
        lam_buf_release(&wire);
    }
    if (rc != LAM_END)
        fail_msg("cut: %d %s", rc, err.text);
    lam_cutter_close(cutter);
}

#endif
