/* Questions that go out as requests of the batch API, and come back as answers in the cache: of chat models and of embeddings endpoints. */
#include "openai/batch_file.h"
#include "openai_kit.h"
#include "scratch.h"

#define TASKS "\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}},\"embed\":{\"dim\":8}"
#define DEEP "\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\"},{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\"}]"
#define CHAT_BODY "{\"model\":\"m-1\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"{\\\"category\\\":\\\"good\\\",\\\"confidence\\\":9}\"}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}"
#define VECTOR_BODY "{\"model\":\"v-1\",\"data\":[{\"index\":0,\"embedding\":[3,4,0,0]}],\"usage\":{\"prompt_tokens\":9}}"

#define LINE(body) "{\"custom_id\":\"%s\",\"response\":{\"status_code\":200,\"body\":" body "}}\n"

enum { ROWS = 5, DIM = 4, ROOM = 1 << 20 };

struct written {
    unsigned count;
    enum lam_job_endpoint_kind kinds[4 * ROWS];
    struct lam_digest keys[4 * ROWS];
    char bodies[4 * ROWS][400]; /* their beginnings */
};

static void choose(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    reply->body = strstr(request->path, "/embeddings") ? VECTOR_BODY : CHAT_BODY;
}

static int on_write(void *arg, enum lam_job_endpoint_kind kind, struct lam_digest key, struct lam_sv body, struct lam_error *e)
{
    struct written *written = arg;

    (void)e;
    assert_true(written->count < 4 * ROWS);
    written->kinds[written->count] = kind;
    written->keys[written->count] = key;
    snprintf(written->bodies[written->count++], sizeof written->bodies[0], "%.*s", LAM_SV_ARG(body));
    return 0;
}

/* A run in which all requests are written. */
static void write_all(const char *store, struct written *written)
{
    struct openai_kit *kit = kit_begin(choose, NULL, TASKS, DEEP, DIM, store);
    struct lam_openai_options options = {.job = kit->job, .cache = kit->cache, .log = &kit->log, .clock = &lam_clock_system, .wake = &kit->wake, .size = 1, .write_request = on_write,
                                         .arg = written};
    struct lam_block *block = kit_rows(ROWS, "text %u", ROOM);

    lam_openai_close(kit->openai);
    assert_int_equal(lam_openai_open(&kit->openai, &options, &err), 0);
    assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
    assert_int_equal(kit_pending(block), ROWS);
    assert_int_equal(kit_stats(kit->openai).refused_by_limit, 0);
    assert_int_equal(kit_end(kit), 0);
    lam_block_free(block);
}

/* A run that takes in this file first; its rows and counts. Returns how many requests the server had. */
static uint64_t run_with(const char *store, const char *text, struct lam_openai_stats *stats, struct lam_block **block)
{
    struct openai_kit *kit = kit_begin(choose, NULL, TASKS, DEEP, DIM, store);
    const char *path = scratch_join(store, "back.jsonl");
    struct lam_batch_counts counts;

    *block = kit_rows(ROWS, "text %u", ROOM);
    scratch_write(path, text, strlen(text));
    if (lam_batch_import(kit->cache, &(struct lam_batch_source){.path = path, .dim = DIM}, &counts, &err))
        fail_msg("%s", err.text);
    assert_int_equal(counts.taken, counts.lines);
    if (kit_run(kit->openai, &kit->wake, *block))
        fail_msg("%s", err.text);
    assert_int_equal(kit_pending(*block), 0);
    *stats = kit_stats(kit->openai);
    return kit_end(kit);
}

static void check_rows(struct lam_block *block)
{
    for (size_t i = 0; i < lam_block_rows(block); i++) {
        const struct lam_enrichment *enr = &lam_block_row(block, i)->enr;

        assert_true(lam_sv_eq(enr->category, LAM_SV("good")));
        assert_int_equal(enr->dim, DIM);
        assert_true(enr->embedding[0] > 0.599f && enr->embedding[0] < 0.601f && enr->embedding[1] > 0.799f && enr->embedding[1] < 0.801f);
        assert_true(lam_sv_eq(enr->space, LAM_SV("openai-4/v")));
    }
    lam_block_free(block);
}

static char *append(char *out, struct lam_digest key, const char *rest)
{
    char hex[LAM_DIGEST_HEX];

    lam_digest_hex(key, hex);
    return out + sprintf(out, rest, hex);
}

static void each_question_is_a_request_of_its_endpoint_and_its_answer_is_found_again(void **state)
{
    struct written written = {0};
    struct lam_openai_stats stats;
    struct lam_block *block;
    char text[8 << 10], *end = text;
    unsigned vectors = 0;

    write_all(*state, &written);
    assert_int_equal(written.count, 2 * ROWS);
    for (unsigned i = 0; i < written.count; i++) {
        bool embeds = written.kinds[i] == LAM_JOB_EMBEDDINGS;
        char expected[200];

        snprintf(expected, sizeof expected, "{\"model\":\"v\",\"input\":[\"text %u\"],\"encoding_format\":\"base64\",\"dimensions\":4}", vectors);
        if (embeds)
            assert_string_equal(written.bodies[i], expected);
        else
            assert_non_null(strstr(written.bodies[i], "{\"model\":\"m\",\"messages\":["));
        vectors += embeds;
        end = append(end, written.keys[i], embeds ? LINE(VECTOR_BODY) : LINE(CHAT_BODY));
    }
    assert_int_equal(vectors, ROWS);
    assert_int_equal(run_with(*state, text, &stats, &block), 0);
    assert_int_equal(stats.hits, 2 * ROWS);
    assert_int_equal(stats.saved_in, ROWS * (100 + 9));
    assert_int_equal(stats.saved_out, ROWS * 20);
    assert_int_equal(lam_block_row(block, 0)->enr.tokens, 100 + 20 + 9);
    check_rows(block);
}

/* Whoever put it there, under the key of a question about a vector: the run asks, and goes on. */
static void what_is_kept_and_no_vector_of_the_job_is_asked_for(void **state)
{
    static const char *const kept[] = {
        LINE(CHAT_BODY), /* answers that were mixed up */
        "{\"key\":\"%s\",\"value\":{\"answer\":{\"embedding\":\"AABAQAAAgEA=\"},\"trace\":{}}}\n",
        "{\"key\":\"%s\",\"value\":{\"answer\":{\"embedding\":\"AADAfwAAwH8AAMB/AADAfw==\"},\"trace\":{}}}\n", /* none of them a number */
        "{\"key\":\"%s\",\"value\":{\"answer\":{\"embedding\":\"AAAAAAAAAAAAAAAAAAAAAA==\"},\"trace\":{}}}\n",
        "{\"key\":\"%s\",\"value\":{\"answer\":{\"embedding\":\"?\"},\"trace\":{}}}\n",
        "{\"key\":\"%s\",\"value\":7}\n",
        "{\"key\":\"%s\",\"value_base64\":\"\"}\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        struct written written = {0};
        struct lam_openai_stats stats;
        struct lam_block *block;
        char text[8 << 10], *end = text, store[SCRATCH_PATH];

        scratch_make(store);
        write_all(store, &written);
        for (unsigned k = 0; k < written.count; k++)
            if (written.kinds[k] == LAM_JOB_EMBEDDINGS && strstr(written.bodies[k], "text 2"))
                end = append(end, written.keys[k], kept[i]);
            else
                end = append(end, written.keys[k], written.kinds[k] == LAM_JOB_EMBEDDINGS ? LINE(VECTOR_BODY) : LINE(CHAT_BODY));
        run_with(store, text, &stats, &block);
        assert_int_equal(stats.endpoints[0].requests, 0);
        assert_int_equal(stats.endpoints[1].requests, 1);
        assert_int_equal(stats.hits, 2 * ROWS - 1);
        check_rows(block);
        scratch_remove(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_question_is_a_request_of_its_endpoint_and_its_answer_is_found_again, scratch_setup, scratch_teardown),
        cmocka_unit_test(what_is_kept_and_no_vector_of_the_job_is_asked_for),
    };

    return cmocka_run_group_tests_name("openai_batch", tests, NULL, NULL);
}
