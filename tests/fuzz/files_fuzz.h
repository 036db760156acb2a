/*
 * Readings of one file, in one go and in splits, that have to be the same. The first bytes of the input say how:
 *
 *     byte 0   split size - 1        byte 1   max_record, and by its bits the rest of the options        then the file
 */
#ifndef LAMINA_TESTS_FUZZ_FILES_H
#define LAMINA_TESTS_FUZZ_FILES_H

#include "base/hash.h"
#include "source/files.h"
#include "source/scan.h"
#include "source/split.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct sums {
    uint64_t records, rejects, hash;
    bool ended;
};

static char fuzz_root[64];

static void fuzz_done(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/f", fuzz_root);
    unlink(path);
    rmdir(fuzz_root);
}

static void fuzz_sum(struct sums *sums, const struct lam_item *item)
{
    uint64_t parts[5] = {sums->hash, item->kind, item->offset, lam_hash64(item->bytes.ptr, item->bytes.len), lam_hash64(item->raw.ptr, item->raw.len)};

    sums->hash = lam_hash64(parts, sizeof parts);
}

static void fuzz_read(const struct lam_files_options *options, const struct lam_scan_file *file, uint64_t split_size, struct sums *sums)
{
    struct lam_cutter *cutter;
    struct lam_split split;
    struct lam_error err;

    if (lam_cutter_open(&cutter, options, 0, file, split_size, NULL, 0, &err))
        abort();
    while (lam_cutter_next(cutter, &split, &err) == 0) {
        struct lam_files_result result;
        struct lam_files *files;
        struct lam_item item;

        if (lam_files_open(&files, options, &split, &err))
            abort();
        while (lam_files_next(files, &item, &err) == 0)
            fuzz_sum(sums, &item);
        if (lam_files_finish(files, &result, &err))
            abort();
        sums->records += result.records;
        sums->rejects += result.rejects;
        if (split.end >= split.size)
            sums->ended = result.ended;
        lam_files_close(files);
    }
    lam_cutter_close(cutter);
}

static void fuzz_file(enum lam_format format, const uint8_t *data, size_t size)
{
    struct sums one = {0}, cut = {0};
    struct lam_files_options options;
    struct lam_scan_file file;
    char path[96];
    struct stat st;
    int fd;

    if (size < 2)
        return;
    if (!fuzz_root[0]) {
        const char *folder = getenv("TMPDIR");

        snprintf(fuzz_root, sizeof fuzz_root, "%.40s/lamina-fuzz-XXXXXX", folder && *folder ? folder : "/tmp");
        if (!mkdtemp(fuzz_root))
            abort();
        atexit(fuzz_done);
    }
    snprintf(path, sizeof path, "%s/f", fuzz_root);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data + 2, size - 2) != (ssize_t)(size - 2) || fstat(fd, &st))
        abort();
    close(fd);
    lam_files_defaults(&options);
    options.root = fuzz_root;
    options.max_record = data[1] & 1 ? 1 + (data[1] >> 4) : 100000;
    options.csv_delimiter = data[1] & 2 ? ',' : 0;
    options.csv_header = data[1] & 4 ? LAM_CSV_HEADER_NO : data[1] & 8 ? LAM_CSV_HEADER_YES : LAM_CSV_HEADER_DETECT;
    file = (struct lam_scan_file){.path = LAM_SV("f"), .size = (uint64_t)st.st_size, .format = format,
                                  .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    fuzz_read(&options, &file, UINT64_MAX, &one);
    fuzz_read(&options, &file, (uint64_t)data[0] + 1, &cut);
    if (one.records != cut.records || one.rejects != cut.rejects || one.hash != cut.hash || one.ended != cut.ended)
        abort();
}

#endif
