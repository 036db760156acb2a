/* Commits: what is written is read back, what is wrong is refused, and foreign bytes are only ever an error. */
#include "log_fixture.h"

static void assert_refused(struct lam_commit *commit, int rc, const char *word, const struct lam_error *err)
{
    assert_int_equal(rc, LAM_E_INVALID);
    if (!strstr(err->text, word))
        fail_msg("'%s' does not name '%s'", err->text, word);
    assert_int_equal(commit->action_count, 0);
}

static struct lam_commit everything(void)
{
    struct lam_error err = {0};
    struct lam_commit commit = commit_of(17, 5);
    struct lam_segment_entry run = entry_of("silver/r1-1.h5", LAM_SEGMENT_RUN), mask = mask_of("silver/r1-2.h5", "silver/old.h5");
    struct lam_archived partitions[] = {{.partition = 0, .next = 10, .has_witness = true, .witness = {9, 1700000000000, 77}}, {.partition = 3, .next = INT64_MAX}};
    struct lam_life_counts counts = {1, 2, {10, 5, 2, 1, 1, 1, 3, 0}};
    struct lam_cutoff cutoff;

    commit.terms[LAM_TERM_SPEED] = 6;
    OK(lam_commit_based_on(&commit, "silver/base.h5", &err));
    OK(lam_commit_source(&commit, "tickets \"quoted\" \xc3\xa4", &err));
    OK(lam_commit_life(&commit, "tickets", "scan-1", &err));
    OK(lam_commit_job(&commit, "{\"kind\":\"upsert\"}", "{}", "", &err));
    run.range_bits = 3;
    run.range = 7;
    run.dim = 64;
    run.view = 2;
    run.source = 1;
    run.life = 2;
    lam_segment_entry_see(&run, UINT64_MAX, -5);
    lam_segment_entry_see(&run, 1, 5);
    snprintf(run.run, sizeof run.run, "0123456789abcdef0123456789abcdef");
    run.dataset_count = 2;
    run.datasets[0] = (struct lam_dataset_entry){2048, 80, UINT32_MAX};
    run.datasets[1] = (struct lam_dataset_entry){4096, 0, 0};
    OK(lam_segment_entry_add_offsets(&run, 2, 5, 9, &err));
    OK(lam_segment_entry_add_offsets(&run, 0, 1, 4, &err));
    OK(lam_segment_entry_set_splits(&run, LAM_SV("[\"a\\n\",1]"), &err));
    OK(lam_commit_add(&commit, &run, &err));
    lam_segment_entry_release(&run);
    OK(lam_commit_remove(&commit, "silver/gone.h5", &err));
    OK(lam_commit_mask(&commit, "silver/old.h5", &mask, &err));
    OK(lam_commit_mask(&commit, "silver/other.h5", NULL, &err));
    OK(lam_commit_archive(&commit, 1, 2, partitions, 2, "cursor\n1", &err));
    OK(lam_commit_model(&commit, "classifier", "builtin", "models/1.bin", "{}", &err));
    lam_cutoff_init(&cutoff);
    OK(lam_cutoff_set_partition(&cutoff, 1, 2, 4, 44, &err));
    OK(lam_cutoff_set_partition(&cutoff, 1, 2, 0, 11, &err));
    OK(lam_cutoff_set_corpus(&cutoff, 2, 9, &err));
    OK(lam_commit_publish(&commit, 3, "run-7", 3, &cutoff, &counts, 1, &err));
    lam_cutoff_release(&cutoff);
    OK(lam_commit_horizon(&commit, LAM_SV("\x01\x00\xff"), &err));
    OK(lam_commit_seal(&commit, 1234567, &err));
    return commit;
}

static void what_is_written_is_read_back(void **state)
{
    struct lam_commit commit = everything(), again;
    struct lam_buf json, more;
    struct lam_error err = {0};

    (void)state;
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    lam_buf_init(&more, LAM_COMMIT_BYTES);
    OK(lam_commit_write(&commit, &json, &err));
    OK(lam_commit_read(lam_buf_sv(&json), &again, &err));
    OK(lam_commit_write(&again, &more, &err));
    assert_int_equal(json.len, more.len);
    assert_memory_equal(json.ptr, more.ptr, json.len);
    assert_int_equal(again.action_count, commit.action_count);
    assert_int_equal(again.base, 17);
    assert_int_equal(again.terms[LAM_TERM_SPEED], 6);
    assert_string_equal(again.actions[0].source.name, "tickets \"quoted\" \xc3\xa4");
    assert_int_equal(again.actions[3].add.entry->max_hash, UINT64_MAX);
    assert_int_equal(again.actions[3].add.entry->min_time_us, -5);
    assert_int_equal(again.actions[3].add.entry->offsets[0].partition, 0);
    assert_string_equal(again.actions[3].add.entry->splits, "[\"a\\n\",1]");
    assert_null(again.actions[6].mask.entry);
    assert_int_equal(again.actions[7].archive.partitions[0].witness.crc32c, 77);
    assert_int_equal(lam_cutoff_next(&again.actions[9].publish.cutoff, 1, 2, 4), 44);
    assert_memory_equal(again.actions[10].horizon.value, "\x01\x00\xff", 3);
    lam_commit_release(&commit);
    lam_commit_release(&again);
    lam_buf_release(&json);
    lam_buf_release(&more);
}

static void a_term_stands_alone_and_says_who_took_it(void **state)
{
    struct lam_holder holder = holder_of("tickets", "0123456789abcdef0123456789abcdef");
    struct lam_error err = {0};
    struct lam_commit commit, again;
    struct lam_buf json;

    (void)state;
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    lam_commit_init(&commit, 3);
    OK(lam_commit_term(&commit, 1 << LAM_TERM_BATCH | 1 << LAM_TERM_SPEED, &holder, &err));
    OK(lam_commit_seal(&commit, 1, &err));
    OK(lam_commit_write(&commit, &json, &err));
    OK(lam_commit_read(lam_buf_sv(&json), &again, &err));
    assert_int_equal(again.actions[0].term.layers, 3);
    assert_memory_equal(again.actions[0].term.holder, &holder, sizeof holder);
    lam_commit_release(&again);
    OK(lam_commit_source(&commit, "s", &err));
    assert_int_equal(lam_commit_check(&commit, &err), LAM_E_INVALID);
    lam_commit_release(&commit);
    commit = commit_of(0, 0);
    add_path(&commit, "a");
    OK(lam_commit_seal(&commit, 1, &err));
    assert_int_equal(lam_commit_check(&commit, &err), LAM_E_INVALID); /* acts for no layer */
    lam_commit_release(&commit);
    lam_buf_release(&json);
}

static void what_is_wrong_is_refused_and_nothing_is_added(void **state)
{
    static char large[LAM_COMMIT_NAME + 2];
    struct lam_segment_entry entry = entry_of("silver/a.h5", LAM_SEGMENT_SILVER);
    struct lam_archived backwards[] = {{.partition = 2, .next = 1}, {.partition = 1, .next = 1}};
    struct lam_archived witness = {.partition = 2, .next = 1, .has_witness = true, .witness.offset = 1};
    struct lam_life_counts counts = {1, 1, {.read = 2, .live = 1}};
    struct lam_commit commit = commit_of(1, 1);
    struct lam_holder holder = holder_of("job", "../x");
    struct lam_cutoff cutoff = {0};
    struct lam_error err = {0};

    (void)state;
    memset(large, 'a', sizeof large - 1);
    assert_refused(&commit, lam_commit_source(&commit, "", &err), "name", &err);
    assert_refused(&commit, lam_commit_source(&commit, large, &err), "name", &err);
    assert_refused(&commit, lam_commit_source(&commit, "\xff", &err), "UTF-8", &err);
    assert_refused(&commit, lam_commit_remove(&commit, "/etc/passwd", &err), "path", &err);
    assert_refused(&commit, lam_commit_remove(&commit, "a/../b", &err), "path", &err);
    assert_refused(&commit, lam_commit_remove(&commit, "a//b", &err), "path", &err);
    assert_refused(&commit, lam_commit_remove(&commit, "a/", &err), "path", &err);
    assert_refused(&commit, lam_commit_mask(&commit, "silver/a.h5", &entry, &err), "mask", &err);
    assert_refused(&commit, lam_commit_archive(&commit, 1, 1, backwards, 2, NULL, &err), "order", &err);
    assert_refused(&commit, lam_commit_archive(&commit, 1, 1, &witness, 1, NULL, &err), "witness", &err);
    assert_refused(&commit, lam_commit_publish(&commit, 1, "r", 0, &cutoff, &counts, 1, &err), "balance", &err);
    assert_refused(&commit, lam_commit_publish(&commit, 0, "r", 0, &cutoff, NULL, 0, &err), "view", &err);
    assert_refused(&commit, lam_commit_horizon(&commit, LAM_SV(""), &err), "order value", &err);
    assert_refused(&commit, lam_commit_term(&commit, 1, &holder, &err), "run", &err);
    entry.kind = LAM_SEGMENT_MASK;
    assert_refused(&commit, lam_commit_add(&commit, &entry, &err), "mask", &err);
    entry = entry_of("silver/a.h5", 99);
    assert_refused(&commit, lam_commit_add(&commit, &entry, &err), "kind", &err);
    entry = entry_of("silver/a.h5", LAM_SEGMENT_RUN);
    entry.range_bits = 2;
    entry.range = 4;
    assert_refused(&commit, lam_commit_add(&commit, &entry, &err), "range", &err);
    entry = entry_of("silver/a.h5", LAM_SEGMENT_RUN);
    entry.dataset_count = 1;
    entry.datasets[0] = (struct lam_dataset_entry){4000, 97, 0};
    assert_refused(&commit, lam_commit_add(&commit, &entry, &err), "datasets", &err);
    lam_commit_release(&commit);
}

/* Each of these is a commit that reads, with one thing changed. */
static void damaged_json_is_an_error_that_says_where(void **state)
{
    static const struct { const char *json; int code; const char *word; } cases[] = {
        {"", LAM_E_CORRUPT, "JSON"},
        {"[]", LAM_E_CORRUPT, "object"},
        {"{\"format\":2,\"time\":1}", LAM_E_INVALID, "newer"},
        {"{\"format\":1,\"time\":1,\"id\":\"00\",\"base\":0,\"terms\":{\"batch\":1},\"actions\":[]}", LAM_E_CORRUPT, "id"},
        {"{\"format\":1,\"format\":1}", LAM_E_CORRUPT, "JSON"},
#define HEAD "{\"format\":1,\"time\":1,\"id\":\"00000000000000000000000000000000\",\"base\":0,\"terms\":{\"batch\":1},"
        {HEAD "\"actions\":[{\"action\":\"fly\"}]}", LAM_E_CORRUPT, "fly"},
        {HEAD "\"actions\":[{\"action\":\"remove\",\"path\":\"../x\"}]}", LAM_E_CORRUPT, "path"},
        {HEAD "\"actions\":[{\"action\":\"remove\",\"path\":\"a\\u0000b\"}]}", LAM_E_CORRUPT, "JSON"},
        {HEAD "\"actions\":[{\"action\":\"source\",\"name\":7}]}", LAM_E_CORRUPT, "name"},
        {HEAD "\"actions\":[{\"action\":\"archive\",\"source\":1,\"life\":-1}]}", LAM_E_CORRUPT, "life"},
        {HEAD "\"actions\":[{\"action\":\"archive\",\"source\":1,\"life\":1.5}]}", LAM_E_CORRUPT, "life"},
        {HEAD "\"actions\":[{\"action\":\"horizon\",\"value\":\"0g\"}]}", LAM_E_CORRUPT, "hex"},
        {HEAD "\"actions\":[{\"action\":\"horizon\",\"value\":\"012\"}]}", LAM_E_CORRUPT, "hex"},
        {HEAD "\"actions\":[{\"action\":\"add\"}]}", LAM_E_CORRUPT, "object"},
        {HEAD "\"actions\":{}}", LAM_E_CORRUPT, "actions"},
        {HEAD "\"based_on\":[1],\"actions\":[{\"action\":\"source\",\"name\":\"a\"}]}", LAM_E_CORRUPT, "based_on"},
        {HEAD "\"actions\":[{\"action\":\"publish\",\"view\":1,\"range_bits\":33,\"run\":\"r\",\"cutoff\":[],\"counts\":[]}]}", LAM_E_CORRUPT, "range_bits"},
        {HEAD "\"actions\":[]}", LAM_E_CORRUPT, "without actions"},
#undef HEAD
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lam_error err = {0};
        struct lam_commit commit;
        int rc = lam_commit_read(lam_sv_of(cases[i].json), &commit, &err);

        if (rc != cases[i].code || err.code != rc || !strstr(err.text, cases[i].word))
            fail_msg("case %zu: %s '%s', wanted '%s'", i, lam_error_name(rc), err.text, cases[i].word);
    }
}

/* As early versions wrote commits. */
static void strip_crc(struct lam_buf *json)
{
    char *at = json->ptr + json->len;

    while (strncmp(--at, ",\"crc32c\":", 10))
        assert_true(at > json->ptr);
    *at = '}';
    json->len = (size_t)(at - json->ptr) + 1;
}

static void other_bytes_than_were_written_are_refused_and_early_commits_are_read(void **state)
{
    struct lam_commit commit = everything();
    struct lam_error err = {0};
    struct lam_buf json;

    (void)state;
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    OK(lam_commit_write(&commit, &json, &err));
    lam_commit_release(&commit);
    for (size_t at = 0; at < json.len; at++)
        for (int bit = 0; bit < 8; bit += 7 - (int)(at % 7)) {
            json.ptr[at] ^= (char)(1 << bit);
            if (!lam_commit_read(lam_buf_sv(&json), &commit, &err)) { /* a flip in the field's own name makes it an unknown one */
                assert_true(at > json.len - 30);
                lam_commit_release(&commit);
            }
            json.ptr[at] ^= (char)(1 << bit);
        }
    strip_crc(&json);
    OK(lam_commit_read(lam_buf_sv(&json), &commit, &err));
    lam_commit_release(&commit);
    lam_buf_release(&json);
}

static void no_flipped_or_missing_byte_is_more_than_an_error(void **state)
{
    struct lam_commit commit = everything();
    struct lam_buf json;
    struct lam_error err = {0};
    unsigned seed = 20261122;

    (void)state;
    print_message("seed %u\n", seed);
    lam_buf_init(&json, LAM_COMMIT_BYTES);
    OK(lam_commit_write(&commit, &json, &err));
    lam_commit_release(&commit);
    strip_crc(&json);
    for (int i = 0; i < 4000; i++) {
        size_t at = (size_t)rand_r(&seed) % json.len, len = i % 2 ? json.len : at;
        char was = json.ptr[at];

        json.ptr[at] = (char)rand_r(&seed);
        if (!lam_commit_read(lam_sv(json.ptr, len), &commit, &err))
            lam_commit_release(&commit);
        json.ptr[at] = was;
    }
    lam_buf_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_term_stands_alone_and_says_who_took_it),
        cmocka_unit_test(what_is_wrong_is_refused_and_nothing_is_added),
        cmocka_unit_test(damaged_json_is_an_error_that_says_where),
        cmocka_unit_test(other_bytes_than_were_written_are_refused_and_early_commits_are_read),
        cmocka_unit_test(no_flipped_or_missing_byte_is_more_than_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
