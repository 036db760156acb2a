/* Entries: ranges that widen, offsets that stay sorted, JSON there and back, paths that cannot leave the store. */
#include "log_fixture.h"

static void ranges_widen_row_by_row(void **state)
{
    struct lam_segment_entry entry;
    struct lam_error err = {0};

    (void)state;
    lam_segment_entry_init(&entry);
    assert_true(entry.min_hash > entry.max_hash);
    lam_segment_entry_see(&entry, 7, LAM_TIME_NONE);
    assert_int_equal(entry.min_time_us, LAM_TIME_NONE);
    lam_segment_entry_see(&entry, 3, 50);
    lam_segment_entry_see(&entry, 9, -50);
    assert_int_equal(entry.min_hash, 3);
    assert_int_equal(entry.max_hash, 9);
    assert_int_equal(entry.min_time_us, -50);
    assert_int_equal(entry.max_time_us, 50);
    OK(lam_segment_entry_add_offsets(&entry, 5, 10, 20, &err));
    OK(lam_segment_entry_add_offsets(&entry, 1, 1, 2, &err));
    OK(lam_segment_entry_add_offsets(&entry, 5, 15, 30, &err));
    OK(lam_segment_entry_add_offsets(&entry, 5, 9, 11, &err));
    assert_int_equal(entry.offset_count, 2);
    assert_int_equal(entry.offsets[0].partition, 1);
    assert_int_equal(entry.offsets[1].begin, 9);
    assert_int_equal(entry.offsets[1].end, 30);
    lam_segment_entry_release(&entry);
}

static void json_there_and_back_is_the_same(void **state)
{
    struct lam_segment_entry entry = entry_of("bronze/r-1.h5", LAM_SEGMENT_BRONZE_STREAM), again;
    struct lam_error err = {0};
    struct lam_buf json, more;

    (void)state;
    lam_buf_init(&json, 1 << 20);
    lam_buf_init(&more, 1 << 20);
    OK(lam_segment_entry_write(&entry, &json, &err)); /* as empty as can be */
    OK(lam_segment_entry_read(lam_buf_sv(&json), &again, &err));
    assert_memory_equal(&entry, &again, sizeof entry);
    lam_buf_clear(&json);
    lam_segment_entry_see(&entry, 0, 0);
    lam_segment_entry_see(&entry, UINT64_MAX, INT64_MAX);
    OK(lam_segment_entry_add_offsets(&entry, UINT32_MAX, 0, INT64_MAX, &err));
    OK(lam_segment_entry_set_splits(&entry, LAM_SV("{\"x\":\"\xe2\x82\xac\"}"), &err));
    entry.dataset_count = 1;
    entry.datasets[0] = (struct lam_dataset_entry){4000, 96, 1};
    OK(lam_segment_entry_write(&entry, &json, &err));
    OK(lam_segment_entry_read(lam_buf_sv(&json), &again, &err));
    OK(lam_segment_entry_write(&again, &more, &err));
    assert_true(lam_sv_eq(lam_buf_sv(&json), lam_buf_sv(&more)));
    assert_string_equal(again.splits, entry.splits);
    lam_segment_entry_release(&entry);
    lam_segment_entry_release(&again);
    lam_buf_release(&json);
    lam_buf_release(&more);
}

static void hostile_json_is_refused_and_nothing_is_kept(void **state)
{
#define ENTRY "\"path\":\"a\",\"kind\":\"run\",\"layout\":1,\"rows\":1,\"bytes\":10"
    static const char *const cases[] = {
        "",
        "null",
        "{}",
        "{\"path\":\"/a\",\"kind\":\"run\",\"layout\":1,\"rows\":1,\"bytes\":10}",
        "{\"path\":\"a\",\"kind\":\"runs\",\"layout\":1,\"rows\":1,\"bytes\":10}",
        "{\"path\":\"a\",\"kind\":\"run\",\"layout\":4294967296,\"rows\":1,\"bytes\":10}",
        "{\"path\":\"a\",\"kind\":\"run\",\"layout\":1,\"rows\":-1,\"bytes\":10}",
        "{\"path\":\"a\",\"kind\":\"run\",\"layout\":1,\"rows\":1,\"bytes\":99999999999999999999}",
        "{" ENTRY ",\"hash\":[\"0\",\"1\"]}",
        "{" ENTRY ",\"hash\":[\"0000000000000002\",\"0000000000000001\"]}",
        "{" ENTRY ",\"hash\":[\"0000000000000002\"]}",
        "{" ENTRY ",\"event_time\":[2,1]}",
        "{" ENTRY ",\"event_time\":[\"1\",2]}",
        "{" ENTRY ",\"range\":[2,4]}",
        "{" ENTRY ",\"range\":[33,4]}",
        "{" ENTRY ",\"datasets\":[[5,6,0]]}",
        "{" ENTRY ",\"datasets\":[[9223372036854775807,1,0]]}",
        "{" ENTRY ",\"datasets\":[[0,1,4294967296]]}",
        "{" ENTRY ",\"datasets\":[[0,1]]}",
        "{" ENTRY ",\"datasets\":[0]}",
        "{" ENTRY ",\"offsets\":[[1,5,4]]}",
        "{" ENTRY ",\"offsets\":[[1,1,1],[1,2,2]]}",
        "{" ENTRY ",\"offsets\":[[2,1,1],[1,2,2]]}",
        "{" ENTRY ",\"masked\":\"b\"}",
        "{\"path\":\"a\",\"kind\":\"mask\",\"layout\":1,\"rows\":1,\"bytes\":10}",
        "{" ENTRY ",\"run\":\"../x\"}",
        "{" ENTRY ",\"splits\":[]}",
        "{" ENTRY ",\"path\":\"b\"}",
    };
#undef ENTRY

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_segment_entry entry;
        struct lam_error err = {0};

        if (lam_segment_entry_read(lam_sv_of(cases[i]), &entry, &err) != LAM_E_CORRUPT || err.code != LAM_E_CORRUPT)
            fail_msg("case %zu: %s was taken", i, cases[i]);
        assert_null(entry.offsets);
    }
}

static void a_path_stays_below_the_root(void **state)
{
    static const char *const good[] = {"a", "silver/a.h5", "a/..b/c..", "a/.b", "\xc3\xa4"};
    static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a/../b", "a\nb", "\xff"};
    char path[LAM_SEGMENT_PATH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(lam_segment_path_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(lam_segment_path_valid(bad[i]));
    memset(path, 'a', sizeof path);
    path[LAM_SEGMENT_PATH] = '\0';
    assert_false(lam_segment_path_valid(path));
    path[LAM_SEGMENT_PATH - 1] = '\0';
    assert_true(lam_segment_path_valid(path));
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int kind = 1; kind < LAM_SEGMENT_KINDS; kind++)
        for (int other = 1; other < kind; other++)
            assert_string_not_equal(lam_segment_kind_name(kind), lam_segment_kind_name(other));
    assert_null(lam_segment_kind_name(0));
    assert_null(lam_segment_kind_name(LAM_SEGMENT_KINDS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_widen_row_by_row),
        cmocka_unit_test(json_there_and_back_is_the_same),
        cmocka_unit_test(hostile_json_is_refused_and_nothing_is_kept),
        cmocka_unit_test(a_path_stays_below_the_root),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
