/* The openai analyzer against a scripted server: each row comes back answered, pending or rejected, whatever the server does. */
#include "openai_world.h"

static void rows_are_answered_with_their_provenance_and_equal_texts_are_asked_once(void **state)
{
    struct world *world = begin("plain", false, "", NULL);
    struct lam_block *block = kit_rows(30, "text %u", ROOM), *same = kit_rows(10, "the same", ROOM);
    const struct lam_enrichment *enr;
    struct lam_openai_stats stats;
    double cost;

    (void)state;
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    enr = &lam_block_row(block, 7)->enr;
    assert_true(lam_sv_eq(enr->category, LAM_SV("good")) && lam_sv_eq(enr->summary, LAM_SV("s")) && lam_sv_eq(enr->analyzer, LAM_SV("openai")));
    assert_int_equal(enr->tokens, 120);
    assert_int_equal(enr->prompt, LAM_PROMPT_VERSION);
    assert_non_null(memmem(enr->trace.ptr, enr->trace.len, "\"model\":\"served\"", 16));
    assert_int_equal(kit_run(world->openai, &world->wake, same), 0);
    assert_int_equal(kit_pending(same), 0);
    stats = kit_stats(world->openai);
    assert_int_equal(stats.asks[0].requests, 31);
    assert_int_equal(stats.shared, 9);
    assert_int_equal(stats.asks[0].tokens_in, 3100);
    assert_int_equal(stats.endpoints[0].tokens_out, 620);
    cost = stats.asks[0].cost;
    assert_true(cost > 0.00434 - 1e-9 && cost < 0.00434 + 1e-9);
    assert_int_equal(stats.reserved_tokens, 0);
    assert_int_equal(end(world), 31);
    lam_block_free(block);
    lam_block_free(same);
}

static void what_was_answered_once_is_never_paid_again(void **state)
{
    char store[SCRATCH_PATH];
    struct world *world;
    struct lam_block *block = kit_rows(20, "kept %u", ROOM), *again = kit_rows(25, "kept %u", ROOM);

    (void)state;
    scratch_make(store);
    world = begin("plain", false, "", store);
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    close_one(world);
    open_again(world, store);
    assert_int_equal(kit_run(world->openai, &world->wake, again), 0);
    assert_int_equal(kit_pending(again), 0);
    assert_int_equal(kit_stats(world->openai).hits, 20);
    assert_int_equal(kit_stats(world->openai).saved_in, 2000);
    assert_int_equal(kit_stats(world->openai).asks[0].requests, 5);
    assert_true(lam_sv_eq(lam_block_row(again, 3)->enr.trace, lam_block_row(block, 3)->enr.trace));
    assert_int_equal(end(world), 25);
    lam_block_free(block);
    lam_block_free(again);
    scratch_remove(store);
}

static void a_wrong_answer_is_asked_again_with_what_was_wrong(void **state)
{
    struct world *world = begin("wrong_once", false, "", NULL);
    struct lam_block *block = kit_rows(4, "text %u", ROOM);

    (void)state;
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    assert_int_equal(kit_stats(world->openai).repairs, 4);
    assert_int_equal(lam_block_row(block, 0)->enr.tokens, 240); /* both requests are paid */
    assert_int_equal(end(world), 8);
    lam_block_free(block);
}

static void what_no_model_answers_well_is_rejected_with_the_raw_answer(void **state)
{
    static const struct {
        const char *mode, *reason;
        bool two;
        unsigned requests;
    } cases[] = {
        {"always_wrong", "there is no JSON object", false, 2},
        {"always_wrong", "there is no JSON object", true, 4}, /* at the other endpoint as well */
        {"always_cut", "was cut off", false, 2},
        {"filtered", "content filter", false, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = begin(cases[i].mode, cases[i].two, "", NULL);
        struct lam_block *block = kit_rows(1, "text %u", ROOM);

        assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
        assert_int_equal(world->rejected, 1);
        if (!strstr(world->reason, cases[i].reason))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].reason, world->reason);
        if (!strcmp(cases[i].mode, "always_wrong"))
            assert_string_equal(world->raw, "I would rather not.");
        assert_int_equal(end(world), cases[i].requests);
        lam_block_free(block);
    }
}

/* Whatever a server makes of packs, each document has its own answer, and no document is asked about more often than packs can be halved. */
static void packs_are_filled_and_those_that_fail_are_halved(void **state)
{
    static const struct {
        const char *mode;
        unsigned most, packs; /* requests, those about several documents */
        bool split;
    } cases[] = {
        {"plain", 8, 8, false},           {"lists", 8, 8, false},           {"twos_mixed", 120, 60, true},    {"twos_unknown", 120, 60, true}, {"misses_one", 16, 8, true},
        {"list_misses_one", 16, 8, true}, {"cuts_packs", 120, 60, true},  {"refuses_packs", 120, 60, true}, {"never_packed", 120, 60, true}, {"slow_packs", 120, 60, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *world = begin(cases[i].mode, false, ",\"request_mode\":\"packed\",\"token_budget\":8000,\"timeout\":1", NULL);
        struct lam_block *block = kit_rows(64, "document number %u", ROOM);
        unsigned packs;
        uint64_t requests;

        assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
        if (kit_pending(block) || world->rejected)
            fail_msg("%s: %u pending, %u rejected", cases[i].mode, kit_pending(block), world->rejected);
        for (size_t r = 0; r < 64; r++)
            assert_true(lam_sv_eq(lam_block_row(block, r)->enr.category, LAM_SV("good")));
        assert_int_equal(kit_stats(world->openai).splits > 0, cases[i].split);
        assert_int_equal(world->script.malformed, 0);
        packs = world->script.packs;
        requests = end(world);
        print_message("%s: %u requests, %u of them packs\n", cases[i].mode, (unsigned)requests, packs);
        if (requests > cases[i].most || packs > cases[i].packs)
            fail_msg("%s: %u requests, %u packs", cases[i].mode, (unsigned)requests, packs);
        lam_block_free(block);
    }
}

/* Whose pack was not there in time is asked about in smaller ones at the other endpoint. */
static void packs_that_took_too_long_go_elsewhere(void **state)
{
    struct world *world = begin("one_hangs", true, ",\"request_mode\":\"packed\",\"token_budget\":8000,\"timeout\":1", NULL);
    struct lam_block *block = kit_rows(64, "document number %u", ROOM);

    (void)state;
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block) + world->rejected, 0);
    assert_true(kit_stats(world->openai).splits > 0);
    print_message("%u packs were sent to the one that hangs\n", world->script.slow);
    assert_in_range(world->script.slow, 1, 5); /* half of the first eight, and one whose endpoint was asked for by its turn */
    end(world);
    lam_block_free(block);
}

static void a_document_beyond_the_context_is_cut_and_the_row_says_what_was_seen(void **state)
{
    struct world *world = begin("short_context", false, ",\"answer_tokens\":64", NULL);
    struct lam_block *block = lam_block_new(2, 1 << 20);
    struct lam_row row = {.rec.flags = LAM_ROW_PENDING};
    char *text = malloc(20001);

    (void)state;
    for (int i = 0; i < 20000; i++)
        text[i] = i % 7 ? 'w' : ' ';
    row.rec.text = lam_sv(text, 20000);
    assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    assert_int_equal(world->rejected, 0);
    assert_non_null(memmem(lam_block_row(block, 0)->enr.trace.ptr, lam_block_row(block, 0)->enr.trace.len, "\"seen\":{\"bytes\":", 16));
    end(world);
    lam_block_free(block);
    free(text);
}

/* The one that was too long is cut until it fits; what is said of the context, which nothing would fit, is not believed for the others. */
static void a_context_that_cannot_be_is_not_believed(void **state)
{
    struct world *world = begin("absurd_context", false, ",\"answer_tokens\":64", NULL);
    char *text = malloc(20001);

    (void)state;
    for (int i = 0; i < 20000; i++)
        text[i] = i % 7 ? 'w' : ' ';
    for (int i = 0; i < 2; i++) {
        size_t len = i ? 5000 : 20000;
        struct lam_block *block = lam_block_new(2, 1 << 20);
        struct lam_row row = {.rec.flags = LAM_ROW_PENDING};

        row.rec.text = lam_sv(text, len);
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
        assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
        assert_int_equal(kit_pending(block), 0);
        assert_int_equal(world->rejected, 0);
        assert_int_equal(memmem(lam_block_row(block, 0)->enr.trace.ptr, lam_block_row(block, 0)->enr.trace.len, "\"seen\":{\"bytes\":", 16) != NULL, len == 20000);
        lam_block_free(block);
    }
    end(world);
    free(text);
}

static void a_long_document_is_summarised_part_by_part(void **state)
{
    struct world *world = begin("plain", false, ",\"answer_tokens\":64", NULL);
    struct lam_block *block = lam_block_new(3, 4 << 20);
    char *text = malloc(200001);
    struct lam_openai_stats stats;

    (void)state;
    for (int i = 0; i < 200000; i++)
        text[i] = i % 5 ? (char)('a' + (uint32_t)(i / 5) * 2654435761u / 256 % 26) : i % 400 == 0 ? '\n' : ' '; /* no two parts are the same */
    for (int i = 0; i < 2; i++) { /* the same twice: its parts are asked once */
        struct lam_row row = {.rec.flags = LAM_ROW_PENDING, .rec.text = {text, 200000}};

        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    }
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    assert_int_equal(world->rejected, 0);
    stats = kit_stats(world->openai);
    assert_int_equal(stats.asks[0].requests, 1);
    assert_true(stats.asks[1].requests >= 5 && stats.asks[1].requests <= 12); /* 40,000 words of a token each, in parts of 7,000 */
    assert_int_equal(lam_block_row(block, 0)->enr.tokens, 120 * (stats.asks[1].requests + 1));
    assert_non_null(memmem(lam_block_row(block, 1)->enr.trace.ptr, lam_block_row(block, 1)->enr.trace.len, "\"seen\":{\"bytes\":200000,\"of\":200000}", 35));
    end(world);
    lam_block_free(block);
    free(text);
}

static void a_part_that_fails_takes_its_document_with_it(void **state)
{
    struct world *world = begin("always_wrong", false, ",\"answer_tokens\":64", NULL);
    struct lam_block *block = lam_block_new(2, 4 << 20);
    struct lam_row row = {.rec.flags = LAM_ROW_PENDING};
    char *text = malloc(100001);

    (void)state;
    for (int i = 0; i < 100000; i++)
        text[i] = i % 5 ? 'w' : ' ';
    row.rec.text = lam_sv(text, 100000);
    assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(world->rejected, 1);
    assert_non_null(strstr(world->reason, "a part of it"));
    end(world);
    lam_block_free(block);
    free(text);
}

static void a_key_that_is_refused_ends_the_run_with_a_word(void **state)
{
    struct world *world = begin("unauthorized", false, "", NULL);
    struct lam_block *block = kit_rows(5, "text %u", ROOM);
    void *ticket = NULL;
    int rc;

    (void)state;
    assert_int_equal(kit_run(world->openai, &world->wake, block), LAM_E_INVALID);
    assert_non_null(strstr(err.text, "401"));
    lam_openai_cancel(world->openai); /* as the run does that ends with it: the rows come back */
    while ((rc = lam_openai_poll(world->openai, &ticket, &err)) == LAM_PENDING)
        lam_wake_wait(&world->wake, 20000);
    assert_int_equal(rc, 0);
    assert_int_equal(kit_pending(block), 5);
    end(world);
    lam_block_free(block);
}

static void a_limit_leaves_the_rest_pending_and_is_named(void **state)
{
    struct world *world = begin("plain", false, ",\"max_tokens\":2000,\"answer_tokens\":64", NULL);
    struct lam_block *block = kit_rows(50, "text %u", ROOM);
    struct lam_openai_stats stats;

    (void)state;
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    stats = kit_stats(world->openai);
    assert_string_equal(lam_openai_limit(world->openai), "deep.max_tokens (2000)");
    assert_true(stats.asks[0].tokens_in + stats.asks[0].tokens_out <= 2000);
    assert_true(stats.answered > 0);
    assert_int_equal(stats.answered + stats.pending, 50);
    assert_int_equal(kit_pending(block), stats.pending);
    end(world);
    lam_block_free(block);
}

static void the_next_step_is_asked_where_the_one_before_was_not_sure(void **state)
{
    struct world *world = begin("unsure", true, ",\"cascade\":[{\"model\":\"builtin\",\"accept\":0.9},{\"model\":\"cheap\",\"accept\":0.8},\"strong\"]", NULL);
    struct lam_block *block = kit_rows(3, "text %u", ROOM);
    struct lam_openai_stats stats;

    (void)state;
    for (size_t i = 0; i < 3; i++) { /* as the built-in analyzer leaves them */
        lam_block_row(block, i)->enr.category = LAM_SV("good");
        lam_block_row(block, i)->enr.confidence = i == 0 ? 0.95f : 0.5f;
        lam_block_row(block, i)->enr.analyzer = LAM_SV("builtin");
    }
    assert_int_equal(kit_run(world->openai, &world->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    assert_true(lam_sv_eq(lam_block_row(block, 0)->enr.analyzer, LAM_SV("builtin")));
    assert_true(lam_sv_eq(lam_block_row(block, 1)->enr.category, LAM_SV("bad")));
    assert_true(lam_sv_eq(lam_block_row(block, 1)->enr.summary, LAM_SV("strong")));
    assert_int_equal(lam_block_row(block, 1)->enr.tokens, 240);
    stats = kit_stats(world->openai);
    assert_int_equal(stats.steps[0], 1);
    assert_int_equal(stats.steps[1], 0);
    assert_int_equal(stats.steps[2], 2);
    assert_int_equal(end(world), 4);
    lam_block_free(block);
}

static void vectors_come_in_batches_of_unit_length_and_of_the_right_dimension(void **state)
{
    static const char *const modes[] = {"plain", "base64", "three"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world *world = calloc(1, sizeof *world);
        char text[4000];
        struct lam_block *block = kit_rows(70, "text %u", ROOM);
        struct lam_openai_stats stats;
        int rc;

        world->log = (struct lam_log){.fd = -1, .level = LAM_LOG_ERROR};
        assert_int_equal(lam_wake_init(&world->wake, &err), 0);
        world->script.mode = modes[i];
        world->script.server = llm_server_start(choose, &world->script);
        snprintf(text, sizeof text,
                 "{\"name\":\"t\",\"store\":\"/nowhere\",\"sources\":[{\"type\":\"files\",\"path\":\"x/**\"}],\"tasks\":{\"summarize\":{},\"embed\":{\"dim\":8}},"
                 "\"deep\":{\"analyzer\":\"openai\",\"endpoints\":[{\"url\":\"%s\",\"model\":\"m\"},{\"url\":\"%s\",\"model\":\"v\",\"kind\":\"embeddings\"}]}}",
                 llm_server_url(world->script.server), llm_server_url(world->script.server));
        assert_int_equal(lam_job_parse(lam_sv_of(text), "t.json", "/", NULL, 0, &world->job, NULL, &err), 0);
        world->job->tasks.dim = 4;
        open_again(world, NULL);
        rc = kit_run(world->openai, &world->wake, block);
        if (i == 2) {
            assert_int_equal(rc, LAM_E_INVALID);
            assert_non_null(strstr(err.text, "vectors of 3 dimensions, and tasks.embed.dim is 4"));
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(kit_pending(block), 0);
            for (size_t r = 0; r < 70; r++) {
                const struct lam_enrichment *enr = &lam_block_row(block, r)->enr;

                assert_int_equal(enr->dim, 4);
                assert_true(enr->embedding[0] > 0.599f && enr->embedding[0] < 0.601f && enr->embedding[1] > 0.799f && enr->embedding[1] < 0.801f);
                assert_true(lam_sv_eq(enr->summary, LAM_SV("s")));
            }
            stats = kit_stats(world->openai);
            assert_int_equal(stats.endpoints[1].requests, 3); /* 32, 32, 6 */
            assert_int_equal(stats.endpoints[1].tokens_in, 700);
            assert_int_equal(stats.endpoints[0].requests, 70);
        }
        end(world);
        lam_block_free(block);
    }
}

static void what_is_under_way_comes_back_pending_when_it_is_cancelled(void **state)
{
    struct world *world = begin("slow", false, "", NULL);
    struct lam_block *block = kit_rows(20, "text %u", ROOM);
    void *ticket = NULL;
    int rc;

    (void)state;
    assert_int_equal(lam_openai_submit(world->openai, block, block, &err), 0);
    assert_int_equal(lam_openai_poll(world->openai, &ticket, &err), LAM_PENDING);
    lam_openai_cancel(world->openai);
    while ((rc = lam_openai_poll(world->openai, &ticket, &err)) == LAM_PENDING)
        lam_wake_wait(&world->wake, 20000);
    assert_int_equal(rc, 0);
    assert_int_equal(kit_pending(block), 20);
    assert_int_equal(lam_openai_poll(world->openai, &ticket, &err), LAM_END);
    end(world);
    lam_block_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_answered_with_their_provenance_and_equal_texts_are_asked_once),
        cmocka_unit_test(what_was_answered_once_is_never_paid_again),
        cmocka_unit_test(a_wrong_answer_is_asked_again_with_what_was_wrong),
        cmocka_unit_test(what_no_model_answers_well_is_rejected_with_the_raw_answer),
        cmocka_unit_test(packs_are_filled_and_those_that_fail_are_halved),
        cmocka_unit_test(packs_that_took_too_long_go_elsewhere),
        cmocka_unit_test(a_document_beyond_the_context_is_cut_and_the_row_says_what_was_seen),
        cmocka_unit_test(a_context_that_cannot_be_is_not_believed),
        cmocka_unit_test(a_long_document_is_summarised_part_by_part),
        cmocka_unit_test(a_part_that_fails_takes_its_document_with_it),
        cmocka_unit_test(a_key_that_is_refused_ends_the_run_with_a_word),
        cmocka_unit_test(a_limit_leaves_the_rest_pending_and_is_named),
        cmocka_unit_test(the_next_step_is_asked_where_the_one_before_was_not_sure),
        cmocka_unit_test(vectors_come_in_batches_of_unit_length_and_of_the_right_dimension),
        cmocka_unit_test(what_is_under_way_comes_back_pending_when_it_is_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
