/* Refining: records and documents become analysed rows; what is wrong with one becomes a reject with its reason, and never an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "refine.h"

/* --- an analyzer of a few lines: the category is the text's first byte; one that says no keeps a row pending --- */

struct lam_analyzer {
    size_t open_tickets;
};

static int handles;
static bool fail_open, fail_submit;

static int open_tiny(void *arg, struct lam_analyzer **analyzer, struct lam_error *err)
{
    (void)arg;
    if (fail_open)
        return LAM_FAIL(err, LAM_E_MEMORY, "the analyzer does not open");
    *analyzer = calloc(1, sizeof **analyzer);
    assert_non_null(*analyzer);
    handles++;
    return 0;
}

static int submit(struct lam_analyzer *analyzer, struct lam_block *block, size_t first, size_t count, void *ticket, struct lam_error *err)
{
    (void)ticket;
    if (fail_submit)
        return LAM_FAIL(err, LAM_E_IO, "the analyzer is away");
    for (size_t i = first; i < first + count; i++) {
        struct lam_row *row = lam_block_row(block, i);

        if (!row->rec.text.len) {
            row->rec.flags |= LAM_ROW_NO_TEXT;
        } else if (row->rec.text.ptr[0] == '?') {
            row->rec.flags |= LAM_ROW_PENDING;
        } else {
            row->enr.category = lam_sv(row->rec.text.ptr, 1);
            row->enr.confidence = row->rec.text.ptr[0] == 'm' ? 0.25f : 0.75f;
        }
    }
    analyzer->open_tickets = 2; /* poll is asked until it says that none is left */
    return 0;
}

static int poll_tiny(struct lam_analyzer *analyzer, void **ticket, struct lam_error *err)
{
    (void)err;
    *ticket = NULL;
    return analyzer->open_tickets-- ? 0 : (analyzer->open_tickets = 0, LAM_END);
}

static void close_tiny(struct lam_analyzer *analyzer)
{
    free(analyzer);
    handles--;
}

static const struct lam_analyzer_ops tiny = {.name = "tiny", .submit = submit, .poll = poll_tiny, .close = close_tiny};

/* --- and a parser: bytes are the text, but "bad" ones are refused; a name that ends with .json is JSON --- */

static int parse(void *parser, struct lam_sv name, const char *media_type, struct lam_sv bytes, struct lam_document *document, struct lam_error *err)
{
    (void)parser;
    if (bytes.len >= 3 && !memcmp(bytes.ptr, "bad", 3))
        return LAM_FAIL(err, LAM_E_INVALID, "these bytes are bad");
    if (bytes.len >= 3 && !memcmp(bytes.ptr, "oom", 3))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a document");
    *document = (struct lam_document){.title = LAM_SV("title"), .text = bytes, .structure = LAM_SV("{}"), .media_type = media_type ? media_type : "text/plain"};
    if (name.len > 5 && !memcmp(name.ptr + name.len - 5, ".json", 5))
        document->media_type = "application/json";
    return 0;
}

static int64_t wall(void *arg) { return (void)arg, 77; }
static const struct lam_clock still = {wall, wall, NULL};
static const struct lam_sv keys[] = {{"/id", 3}};
static const struct lam_sv texts[] = {{"/text", 5}};
static const struct lam_extract upsert = {.key = keys, .key_count = 1, .text = texts, .text_count = 1, .max_skew_us = -1};
static const struct lam_extract append = {.append = true, .text = texts, .text_count = 1, .max_skew_us = -1};
static const struct lam_extract whole = {.append = true, .max_skew_us = -1};

static const struct lam_tasks doubtful = {.wanted = LAM_TASK_CLASSIFY, .abstain_below = 0.5, .other = {"unsure", 6}}, quiet = {.wanted = LAM_TASK_CLASSIFY, .abstain_below = 0.5};
static const struct lam_tasks plain = {.wanted = LAM_TASK_CLASSIFY};

static struct lam_refine_options options(void)
{
    return (struct lam_refine_options){.max_record = 1000, .max_document = 2000, .max_depth = 10, .max_raw = 16, .tasks = &plain,
                                       .layer = LAM_LAYER_SPEED, .depth = LAM_DEPTH_DEEP, .clock = &still,
                                       .open_analyzer = open_tiny, .analyzer = &tiny, .parse = parse};
}

struct world {
    struct lam_refiner *refiner;
    struct lam_block *block;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct lam_refine_options o = options();
    struct lam_error err;

    fail_open = fail_submit = false;
    assert_non_null(world);
    assert_int_equal(lam_refiner_new(&world->refiner, &o, &err), 0);
    assert_non_null(world->block = lam_block_new(100, 1 << 16));
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    lam_refiner_free(world->refiner);
    lam_block_free(world->block);
    free(world);
    assert_int_equal(handles, 0);
    return 0;
}

static struct lam_raw record(const struct lam_extract *settings, const char *text)
{
    return (struct lam_raw){.settings = settings, .pos = {.source = 1, .life = 1, .offset = 9}, .path = LAM_SV("a.jsonl"), .place = LAM_SV("a.jsonl"), .arrival_us = 5,
                            .mtime_us = LAM_TIME_NONE, .message_us = LAM_TIME_NONE, .bytes = lam_sv_of(text), .raw = lam_sv_of(text), .media_type = "application/json"};
}

static void add(struct world *world, struct lam_raw raw)
{
    struct lam_error err;

    assert_int_equal(lam_refiner_add(world->refiner, &raw, world->block, &err), 0);
}

static void a_record_becomes_a_row(void **state)
{
    struct world *world = *state;
    const struct lam_row *row;

    add(world, record(&upsert, "{\"id\":7,\"text\":\"hello\",\"n\":1.0}"));
    assert_int_equal(lam_block_rows(world->block), 1);
    assert_int_equal(lam_block_rejects(world->block), 0);
    row = lam_block_row(world->block, 0);
    assert_true(lam_sv_eq(row->rec.key, LAM_SV("7")));
    assert_true(lam_sv_eq(row->rec.text, LAM_SV("hello")));
    assert_true(lam_sv_eq(row->rec.metadata, LAM_SV("{\"id\":7,\"text\":\"hello\",\"n\":1.0}")));
    assert_true(lam_sv_eq(row->rec.media_type, LAM_SV("application/json")));
    assert_true(isnan(row->enr.sentiment));
}

static void a_document_has_the_parsers_text_and_one_that_is_json_its_fields(void **state)
{
    struct world *world = *state;
    struct lam_raw raw = record(&whole, "some words");

    raw.document = true;
    raw.media_type = NULL;
    raw.name = LAM_SV("a.txt");
    add(world, raw);
    raw.settings = &upsert;
    raw.name = LAM_SV("b.json");
    raw.bytes = LAM_SV("{\"id\":\"k\",\"text\":\"from a field\"}");
    add(world, raw);
    assert_int_equal(lam_block_rows(world->block), 2);
    assert_true(lam_sv_eq(lam_block_row(world->block, 0)->rec.text, LAM_SV("some words")));
    assert_true(lam_sv_eq(lam_block_row(world->block, 0)->rec.title, LAM_SV("title")));
    assert_true(lam_sv_eq(lam_block_row(world->block, 0)->rec.media_type, LAM_SV("text/plain")));
    assert_true(lam_sv_eq(lam_block_row(world->block, 1)->rec.text, LAM_SV("from a field")));
    assert_true(lam_sv_eq(lam_block_row(world->block, 1)->rec.key, LAM_SV("k")));
}

static void what_is_wrong_with_a_record_is_a_reject_with_a_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {{"", ""}, {"{", ""}, {"nonsense", ""}, {"{\"text\":\"x\"}", "/id"}, {"{\"id\":{}}", "/id"}, {"{\"id\":\"\\ud800\"}", ""},
                 {"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", ""}, {"{\"id\":1} trailing", ""}, {"\xff", ""}};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct lam_reject *reject;

        add(world, record(&upsert, cases[i].text));
        assert_int_equal(lam_block_rejects(world->block), i + 1);
        reject = lam_block_reject(world->block, i);
        assert_int_equal(reject->kind, LAM_QUARANTINED);
        assert_int_equal(reject->pos.offset, 9);
        assert_true(reject->reason.len > 0);
        assert_true(lam_sv_eq(reject->place, LAM_SV("a.jsonl")));
        if (!memmem(reject->reason.ptr, reject->reason.len, cases[i].reason, strlen(cases[i].reason)))
            fail_msg("%s: %.*s", cases[i].text, (int)reject->reason.len, reject->reason.ptr);
    }
    assert_int_equal(lam_block_rows(world->block), 0);
    add(world, record(&upsert, "{\"id\":\"good\"}")); /* and the next one is fine */
    assert_int_equal(lam_block_rows(world->block), 1);
}

static void a_rejects_raw_is_cut_and_a_record_above_the_limit_is_a_reject(void **state)
{
    struct world *world = *state;
    char large[1200];

    memset(large, ' ', sizeof large);
    memcpy(large, "{\"id\":1}", 8);
    large[sizeof large - 1] = '\0';
    add(world, record(&upsert, large));
    large[1000] = '\0'; /* exactly the limit */
    add(world, record(&upsert, large));
    assert_int_equal(lam_block_rejects(world->block), 1);
    assert_int_equal(lam_block_rows(world->block), 1);
    assert_int_equal(lam_block_reject(world->block, 0)->raw.len, 16);
}

static void a_document_has_a_limit_of_its_own(void **state)
{
    struct world *world = *state;
    char large[2002];
    struct lam_raw raw;

    memset(large, 'a', sizeof large);
    large[2001] = '\0';
    raw = record(&whole, large);
    raw.document = true;
    raw.media_type = NULL;
    add(world, raw);
    assert_int_equal(lam_block_rejects(world->block), 1);
    assert_true(lam_sv_eq(lam_block_reject(world->block, 0)->reason, LAM_SV("a document of 2001 bytes, more than limits.document (2000)")));
    raw.bytes.len = 2000; /* exactly the limit, and more than a record may have */
    add(world, raw);
    assert_int_equal(lam_block_rejects(world->block), 1);
    assert_int_equal(lam_block_rows(world->block), 1);
}

static void a_parsers_refusal_is_a_reject_and_its_lack_of_memory_an_error(void **state)
{
    struct world *world = *state;
    struct lam_raw raw = record(&whole, "bad bytes");
    struct lam_error err;

    raw.document = true;
    add(world, raw);
    assert_int_equal(lam_block_rejects(world->block), 1);
    assert_true(lam_sv_eq(lam_block_reject(world->block, 0)->reason, LAM_SV("these bytes are bad")));
    raw.bytes = LAM_SV("oom");
    assert_int_equal(lam_refiner_add(world->refiner, &raw, world->block, &err), LAM_E_MEMORY);
    assert_int_equal(lam_block_rejects(world->block), 1);
}

static void a_message_without_a_value_deletes_in_upsert_and_is_rejected_in_append(void **state)
{
    static const struct lam_sv key[] = {{"$key", 4}};
    struct lam_extract settings = upsert;
    struct world *world = *state;
    struct lam_raw raw = record(&settings, "");

    settings.key = key;
    raw.path = lam_sv(NULL, 0);
    raw.null_value = raw.has_key = true;
    raw.key = LAM_SV("k");
    add(world, raw);
    assert_int_equal(lam_block_rows(world->block), 1);
    assert_int_equal(lam_block_row(world->block, 0)->rec.op, LAM_OP_DELETE);
    raw.settings = &append;
    add(world, raw);
    assert_int_equal(lam_block_rejects(world->block), 1);
}

static void a_full_block_is_told_and_has_nothing_added(void **state)
{
    struct world *world = *state;
    struct lam_block *block = lam_block_new(1, 1 << 12);
    struct lam_raw raw = record(&upsert, "{\"id\":1}"), bad = record(&upsert, "{");
    struct lam_error err;

    assert_int_equal(lam_refiner_add(world->refiner, &raw, block, &err), 0);
    assert_int_equal(lam_refiner_add(world->refiner, &raw, block, &err), LAM_E_LIMIT);
    assert_int_equal(lam_refiner_add(world->refiner, &bad, block, &err), 0);
    assert_int_equal(lam_refiner_add(world->refiner, &bad, block, &err), LAM_E_LIMIT);
    assert_int_equal(lam_block_rows(block), 1);
    assert_int_equal(lam_block_rejects(block), 1);
    lam_block_free(block);
}

static void analysis_fills_answers_and_provenance_from_first_on(void **state)
{
    struct world *world = *state;
    struct lam_error err;

    assert_int_equal(lam_refiner_analyze(world->refiner, world->block, 0, &err), 0); /* nothing is fine */
    add(world, record(&upsert, "{\"id\":1,\"text\":\"first\"}"));
    add(world, record(&upsert, "{\"id\":2,\"text\":\"answered\"}"));
    add(world, record(&upsert, "{\"id\":3,\"text\":\"?\"}"));
    add(world, record(&upsert, "{\"id\":4}"));
    assert_int_equal(lam_refiner_analyze(world->refiner, world->block, 1, &err), 0);
    assert_int_equal(lam_block_row(world->block, 0)->enr.category.len, 0);
    assert_int_equal(lam_block_row(world->block, 0)->enr.processed_us, 0);
    assert_true(lam_sv_eq(lam_block_row(world->block, 1)->enr.category, LAM_SV("a")));
    assert_int_equal(lam_block_row(world->block, 2)->rec.flags & LAM_ROW_PENDING, LAM_ROW_PENDING);
    assert_int_equal(lam_block_row(world->block, 3)->rec.flags & LAM_ROW_NO_TEXT, LAM_ROW_NO_TEXT);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(lam_block_row(world->block, i)->enr.layer, LAM_LAYER_SPEED);
        assert_int_equal(lam_block_row(world->block, i)->enr.depth, LAM_DEPTH_DEEP);
        assert_int_equal(lam_block_row(world->block, i)->enr.processed_us, 77);
    }
    fail_submit = true;
    assert_int_equal(lam_refiner_analyze(world->refiner, world->block, 0, &err), LAM_E_IO);
}

static void an_answer_that_is_not_sure_enough_is_not_given(void **state)
{
    struct world *world = *state;
    struct lam_error err;

    for (int with_name = 0; with_name < 2; with_name++) {
        struct lam_refine_options o = options();
        struct lam_refiner *refiner;
        const struct lam_row *row;

        o.tasks = with_name ? &doubtful : &quiet;
        lam_block_clear(world->block);
        add(world, record(&upsert, "{\"id\":1,\"text\":\"sure\"}"));
        add(world, record(&upsert, "{\"id\":2,\"text\":\"maybe\"}"));
        add(world, record(&upsert, "{\"id\":3,\"text\":\"?\"}"));
        add(world, record(&upsert, "{\"id\":4}"));
        assert_int_equal(lam_refiner_new(&refiner, &o, &err), 0);
        assert_int_equal(lam_refiner_analyze(refiner, world->block, 0, &err), 0);
        lam_refiner_free(refiner);
        assert_true(lam_sv_eq(lam_block_row(world->block, 0)->enr.category, LAM_SV("s")));
        row = lam_block_row(world->block, 1);
        assert_true(lam_sv_eq(row->enr.category, with_name ? LAM_SV("unsure") : lam_sv("", 0)));
        assert_float_equal(row->enr.confidence, 0.25, 0); /* how unsure it was stays to be seen */
        for (size_t i = 2; i < 4; i++) /* one is owed an answer, the other never gets one */
            assert_int_equal(lam_block_row(world->block, i)->enr.category.len, 0);
    }
}

static void rows_may_be_left_for_later(void **state)
{
    struct world *world = *state;
    struct lam_error err;

    add(world, record(&upsert, "{\"id\":1,\"text\":\"first\"}"));
    add(world, record(&upsert, "{\"id\":2,\"text\":\"second\"}"));
    lam_refiner_defer(world->refiner, world->block, 1);
    assert_int_equal(lam_block_row(world->block, 0)->rec.flags & LAM_ROW_PENDING, 0);
    assert_int_equal(lam_block_row(world->block, 1)->rec.flags & LAM_ROW_PENDING, LAM_ROW_PENDING);
    assert_int_equal(lam_block_row(world->block, 1)->enr.category.len, 0);
    assert_int_equal(lam_block_row(world->block, 1)->enr.layer, LAM_LAYER_SPEED);
    assert_int_equal(lam_refiner_analyze(world->refiner, world->block, 0, &err), 0);
}

static void an_analyzer_opens_anew_or_the_old_one_stays(void **state)
{
    struct world *world = *state;
    struct lam_error err;

    assert_int_equal(lam_refiner_reopen(world->refiner, &err), 0);
    assert_int_equal(handles, 1);
    fail_open = true;
    assert_int_equal(lam_refiner_reopen(world->refiner, &err), LAM_E_MEMORY);
    assert_int_equal(handles, 1);
    add(world, record(&upsert, "{\"id\":1,\"text\":\"first\"}"));
    assert_int_equal(lam_refiner_analyze(world->refiner, world->block, 0, &err), 0);
    assert_true(lam_sv_eq(lam_block_row(world->block, 0)->enr.category, LAM_SV("f")));
}

static void an_analyzer_that_does_not_open_is_an_error_and_leaves_nothing(void **state)
{
    struct lam_refine_options o = options();
    struct lam_refiner *refiner;
    struct lam_error err;

    (void)state;
    fail_open = true;
    assert_int_equal(lam_refiner_new(&refiner, &o, &err), LAM_E_MEMORY);
    assert_null(refiner);
    lam_refiner_free(NULL);
}

/* Any bytes: exactly one row or one reject, the reject with its reason, and the refiner goes on. */
static void random_bytes_are_a_row_or_a_reject_and_never_an_error(void **state)
{
    static const char shapes[] = "{\"id\":7,\"text\":\"hello \\u00e4\",\"n\":[1,2.5e3,null,true],\"o\":{\"x\":-0}}";
    uint64_t seed = (uint64_t)time(NULL) | 1;
    struct world *world = *state;

    print_message("seed %llu\n", (unsigned long long)seed);
    for (int turn = 0; turn < 20000; turn++) {
        char text[sizeof shapes];
        struct lam_raw raw = record(turn % 2 ? &upsert : &append, "");
        size_t rows, rejects;

        memcpy(text, shapes, sizeof text);
        for (uint64_t i = 0; i < 1 + seed % 4; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text[seed % (sizeof text - 1)] = (char)(seed >> 32);
        }
        raw.bytes = raw.raw = lam_sv(text, turn % 5 ? sizeof text - 1 : seed % sizeof text);
        raw.document = turn % 7 == 0;
        if (turn % 90 == 0)
            lam_block_clear(world->block);
        rows = lam_block_rows(world->block);
        rejects = lam_block_rejects(world->block);
        add(world, raw);
        assert_int_equal(lam_block_rows(world->block) + lam_block_rejects(world->block), rows + rejects + 1);
        if (lam_block_rejects(world->block) > rejects)
            assert_true(lam_block_reject(world->block, rejects)->reason.len > 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_record_becomes_a_row),
        TEST(a_document_has_the_parsers_text_and_one_that_is_json_its_fields),
        TEST(what_is_wrong_with_a_record_is_a_reject_with_a_reason),
        TEST(a_document_has_a_limit_of_its_own),
        TEST(a_rejects_raw_is_cut_and_a_record_above_the_limit_is_a_reject),
        TEST(a_parsers_refusal_is_a_reject_and_its_lack_of_memory_an_error),
        TEST(a_message_without_a_value_deletes_in_upsert_and_is_rejected_in_append),
        TEST(a_full_block_is_told_and_has_nothing_added),
        TEST(analysis_fills_answers_and_provenance_from_first_on),
        TEST(an_answer_that_is_not_sure_enough_is_not_given),
        TEST(rows_may_be_left_for_later),
        TEST(an_analyzer_opens_anew_or_the_old_one_stays),
        TEST(an_analyzer_that_does_not_open_is_an_error_and_leaves_nothing),
        TEST(random_bytes_are_a_row_or_a_reject_and_never_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
