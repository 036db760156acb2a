/* Segments written and checked by several threads at once: run under ThreadSanitizer, too. */
#include <pthread.h>

#include "segment_fixture.h"

enum { WRITERS = 4, SEGMENTS = 12, ROWS = 700 };

struct writer {
    const char *root;
    unsigned number;
    struct lam_error err;
};

/* The reason of row i: other bytes for every segment. */
static struct lam_sv reason(char text[64], unsigned writer, unsigned segment, unsigned i)
{
    return lam_sv(text, (size_t)snprintf(text, 64, "%u of segment %u by %u", i, segment, writer));
}

static int write_one(const struct writer *writer, unsigned number, struct lam_segment_entry *entry, struct lam_error *err)
{
    char path[32], text[64];
    struct lam_segment_spec spec = {.root = writer->root, .path = path, .kind = LAM_SEGMENT_QUARANTINE, .layout = LAM_LAYOUT_REJECTS, .rows = ROWS};
    struct lam_segment *segment;
    int rc;

    snprintf(path, sizeof path, "%u-%u.h5", writer->number, number);
    for (unsigned i = 0; i < ROWS; i++)
        spec.bytes[LAM_REJECTS_REASON] += reason(text, writer->number, number, i).len;
    if ((rc = lam_segment_new(&lam_fs_system, &spec, &segment, err)))
        return rc;
    for (unsigned i = 0; !rc && i < ROWS; i++)
        rc = lam_segment_put_string(segment, LAM_REJECTS_REASON, reason(text, writer->number, number, i), err);
    if (!rc)
        rc = lam_segment_finish(segment, entry, err);
    lam_segment_free(segment);
    return rc;
}

static int check_one(const struct writer *writer, unsigned number, const struct lam_segment_entry *entry, struct lam_error *err)
{
    struct lam_map *map;
    int rc = lam_segment_check(&lam_fs_system, writer->root, entry, err);

    if (rc || (rc = lam_map_open(&lam_fs_system, writer->root, entry, &map, err)))
        return rc;
    rc = lam_map_need(map, LAM_COLUMNS_ALL, err);
    for (unsigned i = 0; !rc && i < ROWS; i++) {
        char text[64];

        if (!lam_sv_eq(lam_map_string(map, LAM_REJECTS_REASON, i), reason(text, writer->number, number, i)))
            rc = LAM_FAIL(err, LAM_E_CORRUPT, "row %u of %s is another's", i, entry->path);
    }
    lam_map_unref(map);
    return rc;
}

static void *write_all(void *arg)
{
    struct writer *writer = arg;

    for (unsigned number = 0; number < SEGMENTS; number++) {
        struct lam_segment_entry entry;
        int rc;

        lam_segment_entry_init(&entry);
        if (!(rc = write_one(writer, number, &entry, &writer->err)))
            rc = check_one(writer, number, &entry, &writer->err);
        lam_segment_entry_release(&entry);
        if (rc)
            return (void *)writer->err.text;
    }
    return NULL;
}

static void each_thread_writes_its_own_segments(void **state)
{
    struct writer writers[WRITERS] = {0};
    pthread_t threads[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].root = *state;
        writers[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        if (wrong)
            fail_msg("writer %u: %s", i, (const char *)wrong);
    }
    assert_int_equal(files_in(*state), WRITERS * SEGMENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_writes_its_own_segments),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
