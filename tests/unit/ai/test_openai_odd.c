/* Answers that nobody expects: of one record, they cost that record, and never the run. */
#include <pthread.h>
#include <unistd.h>

#include "openai/spending.h"
#include "openai_kit.h"
#include "scratch.h"

#define CLASSIFY "\"classify\":{\"labels\":{\"good\":\"fine things\",\"bad\":\"things that break\"}}"
#define CHAT "\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"price_in\":1,\"price_out\":1}]"
#define VECTORS "\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\"},{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\"}]"

enum { ROOM = 16 << 20 };

/* What is answered about "text 1"; about others something usual. */
struct odd {
    char *content; /* of a chat; with quotes as \" */
    const char *vector, *usage, *all_usage; /* of every answer */
    unsigned short_ones; /* answers of vectors that lack the last one */
    char *kept[1024]; /* bodies: the server reads them until it ends */
    unsigned count;
};

static char *keep(struct odd *odd, size_t cap)
{
    assert_true(odd->count < 1024);
    return odd->kept[odd->count++] = malloc(cap);
}

static void forget(struct odd *odd)
{
    while (odd->count)
        free(odd->kept[--odd->count]);
}

static void say(struct odd *odd, struct llm_reply *reply, const char *content, const char *usage)
{
    size_t cap = strlen(content) + 400;

    reply->body = keep(odd, cap);
    snprintf(odd->kept[odd->count - 1], cap, "{\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"%s\"}}],\"usage\":%s}", content, usage);
}

static void embed(struct odd *odd, const struct llm_request *request, struct llm_reply *reply)
{
    const char *at = strstr(request->body, "\"input\":[") + 9;
    char *out = keep(odd, 65536);
    bool more = true;

    reply->body = out;
    out += sprintf(out, "{\"model\":\"v\",\"data\":[");
    for (unsigned i = 0; more; i++) {
        const char *end = strchr(at + 1, '"');
        bool it = memmem(at, (size_t)(end - at), "text 1", 6) && end - at == 7;

        more = end[1] == ',';
        at = end + 2;
        if (more || !i || !odd->short_ones)
            out += sprintf(out, "%s{\"index\":%u,\"embedding\":%s}", i ? "," : "", i, it && odd->vector ? odd->vector : "[3,4,0,0]");
    }
    odd->short_ones -= odd->short_ones > 0;
    sprintf(out, "],\"usage\":{\"prompt_tokens\":7}}");
}

static void choose(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct odd *odd = arg;
    const char *usual = odd->all_usage ? odd->all_usage : "{\"prompt_tokens\":100,\"completion_tokens\":20}";

    if (strstr(request->path, "/embeddings"))
        embed(odd, request, reply);
    else if (strstr(request->body, "text 1\\n") && odd->content)
        say(odd, reply, odd->content, usual);
    else
        say(odd, reply, "{\\\"category\\\":\\\"good\\\",\\\"confidence\\\":9}", strstr(request->body, "text 1\\n") && odd->usage ? odd->usage : usual);
}

/* A good answer with a remark that nobody asked for: arrays so deep, or so many bytes of text. */
static char *remark(unsigned depth, size_t bytes)
{
    char *text = malloc(bytes + 2 * depth + 200), *out = text;

    out += sprintf(out, "{\\\"category\\\":\\\"good\\\",\\\"confidence\\\":9,\\\"remark\\\":");
    for (unsigned i = 0; i < depth; i++)
        *out++ = '[';
    out += sprintf(out, "\\\"");
    memset(out, 'x', bytes);
    out += bytes;
    out += sprintf(out, "\\\"");
    for (unsigned i = 0; i < depth; i++)
        *out++ = ']';
    sprintf(out, "}");
    return text;
}

static void an_answer_that_no_value_can_hold_is_asked_for_once_more_and_then_rejected(void **state)
{
    static const struct {
        unsigned depth;
        size_t bytes;
        bool rejected;
    } cases[] = {{60, 1, false}, {61, 1, false}, {62, 1, true}, {63, 1, true}, {64, 1, true}, {1, (16u << 20) - (128u << 10), false}, {1, (16u << 20) - 100, true}, {1, 17u << 20, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct odd odd = {.content = remark(cases[i].depth, cases[i].bytes)};
        struct openai_kit *kit;
        struct lam_block *block = kit_rows(3, "text %u", ROOM);
        char store[SCRATCH_PATH];

        scratch_make(store);
        kit = kit_begin(choose, &odd, CLASSIFY, CHAT, 0, store);
        if (kit_run(kit->openai, &kit->wake, block))
            fail_msg("depth %u, %zu bytes: %s", cases[i].depth, cases[i].bytes, err.text);
        assert_int_equal(kit->rejected, cases[i].rejected);
        assert_int_equal(kit_pending(block), cases[i].rejected);
        if (cases[i].rejected && !strstr(kit->reason, "too deep or too long"))
            fail_msg("%s", kit->reason);
        assert_int_equal(kit_end(kit), cases[i].rejected ? 4 : 3);
        scratch_remove(store);
        lam_block_free(block);
        free(odd.content);
        forget(&odd);
    }
}

static void a_row_whose_answer_has_no_room_waits_and_the_others_do_not(void **state)
{
    char *long_text = malloc(600u << 10), *content = malloc(700u << 10);
    struct odd odd = {.content = content};
    struct openai_kit *kit = kit_begin(choose, &odd, "\"custom\":{\"prompt\":\"p\",\"schema\":{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\"}}}}", CHAT, 0, NULL);
    struct lam_block *block = lam_block_new(8, 1 << 20);
    struct lam_row row = {.rec.flags = LAM_ROW_PENDING, .rec.text = LAM_SV("text 1")};

    (void)state;
    memset(long_text, 'y', 600u << 10);
    snprintf(content, 700u << 10, "{\\\"custom\\\":{\\\"s\\\":\\\"%.*s\\\"}}", 590 << 10, long_text);
    for (int i = 0; i < 3; i++) /* the same text, asked about once: the second answer has no room */
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
    if (kit_run(kit->openai, &kit->wake, block))
        fail_msg("%s", err.text);
    assert_int_equal(kit_pending(block), 2);
    assert_int_equal(kit->rejected, 0);
    assert_int_equal(kit_stats(kit->openai).answered, 1);
    assert_int_equal(kit_stats(kit->openai).pending, 2);
    assert_int_equal(kit_end(kit), 1);
    lam_block_free(block);
    forget(&odd);
    free(content);
    free(long_text);
}

static void a_vector_that_is_none_costs_its_record_alone(void **state)
{
    static const struct {
        const char *vector, *reason;
    } cases[] = {{"[null,null,null,null]", "no number"}, {"[0,0,0,0]", "no length"}, {"[1,2,3]", "3 dimensions"}, {"\"AAA\"", "base64"}, {"{}", "neither"}, {"[1e999,0,0,0]", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct odd odd = {.vector = cases[i].vector};
        struct openai_kit *kit = kit_begin(choose, &odd, "\"embed\":{\"dim\":8}", VECTORS, 4, NULL);
        struct lam_block *block = kit_rows(40, "text %u", ROOM);

        if (kit_run(kit->openai, &kit->wake, block))
            fail_msg("%s: %s", cases[i].vector, err.text);
        assert_int_equal(kit->rejected, 1);
        assert_int_equal(kit_pending(block), 1);
        if (!strstr(kit->reason, cases[i].reason))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].reason, kit->reason);
        kit_end(kit);
        lam_block_free(block);
        forget(&odd);
    }
}

static void usage_that_cannot_be_is_not_believed(void **state)
{
    static const char *const usages[] = {"{\"prompt_tokens\":4000000000,\"completion_tokens\":20}", "{\"prompt_tokens\":100,\"completion_tokens\":4000000000}",
                                         "{\"prompt_tokens\":4000000000,\"completion_tokens\":4000000000,\"prompt_tokens_details\":{\"cached_tokens\":4000000000}}"};

    (void)state;
    for (size_t i = 0; i < sizeof usages / sizeof *usages; i++) {
        struct odd odd = {.usage = usages[i]};
        struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY, CHAT ",\"max_tokens\":1000000,\"max_cost\":10", 0, NULL);
        struct lam_block *block = kit_rows(60, "text %u", ROOM);
        struct lam_openai_stats stats;

        assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
        assert_int_equal(kit_pending(block), 0);
        assert_string_equal(lam_openai_limit(kit->openai), "");
        stats = kit_stats(kit->openai);
        assert_int_equal(stats.asks[0].requests, 60);
        assert_true(stats.asks[0].tokens_in >= 5900 && stats.asks[0].tokens_in < 59 * 100 + 1000);
        assert_true(stats.asks[0].tokens_out >= 59 * 20 && stats.asks[0].tokens_out < 59 * 20 + 100);
        assert_true(stats.asks[0].cached <= stats.asks[0].tokens_in);
        assert_true(stats.asks[0].cost < 0.01);
        kit_end(kit);
        lam_block_free(block);
        forget(&odd);
    }
}

static void vectors_that_are_not_all_there_are_paid_and_counted(void **state)
{
    struct odd odd = {.short_ones = 2};
    struct openai_kit *kit = kit_begin(choose, &odd, "\"embed\":{\"dim\":8}", VECTORS, 4, NULL);
    struct lam_block *block = kit_rows(20, "text %u", ROOM);
    struct lam_openai_stats stats;
    uint64_t asked;

    (void)state;
    assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
    assert_int_equal(kit_pending(block), 0);
    stats = kit_stats(kit->openai);
    assert_true(stats.endpoints[1].requests > 2);
    assert_int_equal(stats.endpoints[1].tokens_in, 7 * stats.endpoints[1].requests);
    assert_int_equal(stats.endpoints[1].estimated, 0);
    assert_int_equal(stats.unseen.requests, 0);
    asked = stats.endpoints[1].requests;
    assert_int_equal(kit_end(kit), asked);
    lam_block_free(block);
    forget(&odd);
}

static void tokens_that_nobody_counted_are_told_as_estimates(void **state)
{
    static const struct {
        const char *usage;
        bool in, out; /* are estimated */
    } cases[] = {{"null", true, true}, {"{\"prompt_tokens\":-5,\"completion_tokens\":-1}", true, true}, {"{\"prompt_tokens\":100}", false, true},
                 {"{\"prompt_tokens\":4000000000,\"completion_tokens\":20}", true, false}, {"{\"prompt_tokens\":100,\"completion_tokens\":20}", false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct odd odd = {.all_usage = cases[i].usage};
        struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY, CHAT, 0, NULL);
        struct lam_block *block = kit_rows(5, "text %u", ROOM);
        struct lam_openai_usage told;

        assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
        told = kit_stats(kit->openai).asks[0];
        assert_int_equal(told.requests, 5);
        assert_true(told.tokens_in > 0 && told.tokens_out > 0);
        if (told.estimated != (cases[i].in ? told.tokens_in : 0) + (cases[i].out ? told.tokens_out : 0))
            fail_msg("%s: %llu of %llu and %llu are estimates", cases[i].usage, (unsigned long long)told.estimated, (unsigned long long)told.tokens_in, (unsigned long long)told.tokens_out);
        assert_int_equal(kit_stats(kit->openai).endpoints[0].estimated, told.estimated);
        kit_end(kit);
        lam_block_free(block);
        forget(&odd);
    }
}

static void what_a_chat_may_cost_is_not_the_price_of_vectors(void **state)
{
    struct odd odd = {0};
    struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY ",\"embed\":{\"dim\":8}",
                                       "\"max_cost\":0.01,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"price_in\":1},{\"url\":\"$URL\",\"model\":\"v\",\"kind\":\"embeddings\",\"price_in\":1000}]",
                                       0, NULL);

    const struct lam_openai_usage reserved = {.requests = 1, .tokens_in = 1000};

    (void)state;
    assert_true(lam_openai_reserve(kit->openai, 0, 1000, 0)); /* 0.001 at a chat endpoint */
    lam_openai_spent(kit->openai, 0, &reserved, &reserved, 0); /* while it is under way, who asks for more waits */
    assert_false(lam_openai_reserve(kit->openai, 0, 10000, 0));
    kit_end(kit);
}

static void one_record_that_is_too_much_for_a_limit_stays_pending_alone(void **state)
{
    static const char *const modes[] = {"combined", "packed"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct odd odd = {0};
        struct lam_block *block = kit_rows(20, "text %u", ROOM);
        struct lam_row row = {.rec.flags = LAM_ROW_PENDING};
        struct lam_openai_stats stats;
        struct openai_kit *kit;
        char deep[400], *large = malloc(120000);

        memset(large, 'x', 120000);
        for (size_t at = 5; at < 120000; at += 6)
            large[at] = ' ';
        row.rec.text = lam_sv(large, 120000);
        assert_int_equal(lam_block_add_row(block, &row, &err), 0);
        snprintf(deep, sizeof deep, "\"request_mode\":\"%s\",\"max_tokens\":15000,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"context\":131072}]", modes[i]);
        kit = kit_begin(choose, &odd, CLASSIFY, deep, 0, NULL);
        assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
        stats = kit_stats(kit->openai);
        assert_int_equal(stats.answered, 20);
        assert_int_equal(stats.refused_by_limit, 1);
        assert_int_equal(kit_pending(block), 1);
        assert_true(lam_block_row(block, 20)->rec.flags & LAM_ROW_PENDING);
        assert_string_equal(lam_openai_limit(kit->openai), "deep.max_tokens (15000)");
        assert_int_equal(lam_spending_reached(lam_openai_spending(kit->openai)), LAM_LIMIT_NONE);
        assert_true(kit_end(kit) > 0);
        lam_block_free(block);
        free(large);
        forget(&odd);
    }
}

/* What is too much together need not be in parts. */
static void a_pack_that_is_too_much_for_a_limit_goes_in_parts(void **state)
{
    struct odd odd = {0};
    struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY, "\"request_mode\":\"packed\",\"max_tokens\":700,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"context\":131072}]", 0, NULL);
    struct lam_block *block = kit_rows(100, "text %u, and some more words, so that a pack of them is longer than the limit, and one is not, nor are two", ROOM);
    struct lam_spent most;

    (void)state;
    assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
    assert_int_equal(lam_spending_too_much(lam_openai_spending(kit->openai), &most), LAM_LIMIT_NONE);
    assert_true(kit_end(kit) > 0); /* else one pack would have been the end of it */
    lam_block_free(block);
    forget(&odd);
}

static void *reserve(void *arg)
{
    struct lam_openai *openai = arg;

    return lam_openai_reserve(openai, 0, 600, 0) ? openai : NULL;
}

/* An agent, while another's request may yet turn out to have taken less. */
static void who_reserves_on_a_thread_waits_for_what_is_under_way(void **state)
{
    const struct lam_openai_usage reserved = {.tokens_in = 600}, used = {.requests = 1, .tokens_in = 100};
    struct odd odd = {0};
    struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY, "\"max_tokens\":1000,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\"}]", 0, NULL);
    pthread_t thread;
    void *got;

    (void)state;
    assert_true(lam_openai_reserve(kit->openai, 0, 600, 0));
    assert_int_equal(pthread_create(&thread, NULL, reserve, kit->openai), 0);
    usleep(50000);
    lam_openai_spent(kit->openai, 0, &reserved, &used, 0);
    pthread_join(thread, &got);
    assert_ptr_equal(got, kit->openai);
    lam_openai_spent(kit->openai, 0, &reserved, &reserved, 0);
    assert_false(lam_openai_reserve(kit->openai, 0, 600, 0)); /* nothing is under way */
    assert_int_equal(lam_spending_reached(lam_openai_spending(kit->openai)), LAM_LIMIT_TOKENS);
    kit_end(kit);
}

static void an_estimate_knows_how_many_documents_an_answer_can_be_about(void **state)
{
    struct odd odd = {0};
    struct openai_kit *kit = kit_begin(choose, &odd, CLASSIFY ",\"keywords\":{\"max\":5},\"entities\":{},\"summarize\":{\"sentences\":3}",
                                       "\"request_mode\":\"packed\",\"token_budget\":100000,\"answer_tokens\":1024,\"endpoints\":[{\"url\":\"$URL\",\"model\":\"m\",\"context\":128000}]", 0,
                                       NULL);
    struct lam_block *block = kit_rows(640, "text %u", ROOM);
    struct lam_openai_estimate told;

    (void)state;
    lam_openai_estimate(kit->openai);
    assert_int_equal(kit_run(kit->openai, &kit->wake, block), 0);
    lam_openai_estimated(kit->openai, &told);
    print_message("%.1f requests\n", told.sure.requests);
    assert_true(told.sure.requests > 15 && told.sure.requests < 60); /* an answer has 16,000 tokens; 10 would be 64 in each */
    assert_int_equal(kit_end(kit), 0);
    lam_block_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_no_value_can_hold_is_asked_for_once_more_and_then_rejected),
        cmocka_unit_test(a_row_whose_answer_has_no_room_waits_and_the_others_do_not),
        cmocka_unit_test(a_vector_that_is_none_costs_its_record_alone),
        cmocka_unit_test(usage_that_cannot_be_is_not_believed),
        cmocka_unit_test(vectors_that_are_not_all_there_are_paid_and_counted),
        cmocka_unit_test(tokens_that_nobody_counted_are_told_as_estimates),
        cmocka_unit_test(what_a_chat_may_cost_is_not_the_price_of_vectors),
        cmocka_unit_test(one_record_that_is_too_much_for_a_limit_stays_pending_alone),
        cmocka_unit_test(a_pack_that_is_too_much_for_a_limit_goes_in_parts),
        cmocka_unit_test(who_reserves_on_a_thread_waits_for_what_is_under_way),
        cmocka_unit_test(an_estimate_knows_how_many_documents_an_answer_can_be_about),
    };

    return cmocka_run_group_tests_name("openai_odd", tests, NULL, NULL);
}
