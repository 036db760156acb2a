/* Keys in what comes back: masked wherever they stand, in whichever form. */
#include "llm_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "openai/mask.h"
#include "openai/recording.h"

#define KEY "sk-supersecret-0123456789"

static const char *const lines[] = {LAM_LLM_BEARER "sk-secret/0123+x", NULL, LAM_LLM_BEARER "short", LAM_LLM_BEARER "other-key-9"};

static void check(const char *text, const char *expected)
{
    char *copy = strdup(text); /* of its exact length, for the sanitizer */
    size_t len = lam_llm_mask(copy, strlen(copy), lines, 4);

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(copy, expected, len);
    free(copy);
}

static void test_a_key_is_masked_wherever_it_stands(void **state)
{
    (void)state;
    check("", "");
    check("nothing here", "nothing here");
    check("sk-secret/0123+x", "[key]");
    check("Bearer sk-secret/0123+x.", "Bearer [key].");
    check("sk-secret/0123+xsk-secret/0123+x and sk-secret/0123+x", "[key][key] and [key]");
    check("ssk-secret/0123+x, other-key-9, sk-secret/0123+x!", "s[key], [key], [key]!");
    check("sk-secret/0123+", "sk-secret/0123+");
    check("a short word stays", "a short word stays");
}

static void test_also_with_escapes(void **state)
{
    (void)state;
    check("{\"message\":\"sk-secret\\/0123+x\"}", "{\"message\":\"[key]\"}");
    check("{\"message\":\"sk-secret\\u002f0123\\u002Bx\"}", "{\"message\":\"[key]\"}");
    check("/login?key=sk-secret%2F0123%2bx&a", "/login?key=[key]&a");
    check("sk-secret%2", "sk-secret%2");
    check("sk-secret\\u002", "sk-secret\\u002");
    check("sk-secret\\", "sk-secret\\");
}

static void test_words_of_an_answer_stay(void **state)
{
    static const char *const keys[] = {LAM_LLM_BEARER "category", LAM_LLM_BEARER "key-0123", LAM_LLM_BEARER "averyverylongword", LAM_LLM_BEARER "12345678"};
    static const char body[] = "{\"category\":\"key-0123\",\"averyverylongword\":12345678}";
    char answer[] = "{\"category\":\"key-0123\",\"averyverylongword\":12345678}", error[sizeof body];
    size_t len = lam_llm_mask_body(200, answer, sizeof body - 1, keys, 4);

    (void)state;
    answer[len] = '\0';
    assert_string_equal(answer, "{\"category\":\"[key]\",\"[key]\":12345678}");
    memcpy(error, body, sizeof body);
    len = lam_llm_mask_body(401, error, sizeof body - 1, keys, 4);
    error[len] = '\0';
    assert_string_equal(error, "{\"[key]\":\"[key]\",\"[key]\":[key]}");
}

/* Everything comes back as it was sent, whatever the key is called. */
static void say_category(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    (void)arg;
    (void)request;
    reply->body = "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"{\\\"category\\\":\\\"good\\\"}\"}}]}";
}

static void test_a_key_that_is_a_word_spoils_no_answer(void **state)
{
    struct kit *kit = kit_new(say_category, NULL);

    (void)state;
    assert_int_equal(setenv("LAMINA_TEST_WORD", "category", 1), 0);
    kit->endpoints[0].key_env = "LAMINA_TEST_WORD";
    kit_open(kit);
    kit_send(kit, 1);
    kit_wait(kit);
    assert_non_null(strstr(kit->results[0].body, "category"));
    kit_free(kit);
}

static void test_of_a_string(void **state)
{
    char text[] = "no host sk-secret/0123+x here";

    (void)state;
    lam_llm_mask_string(text, lines, 4);
    assert_string_equal(text, "no host [key] here");
}

/* ---- through the client ---- */

enum echo { ECHO_401, ECHO_500, ECHO_ANSWER, ECHO_PIECES, ECHO_ELSEWHERE, ECHO_LOOP, ECHOES };

struct echoing {
    enum echo way;
    char body[1024], headers[512];
};

/* Says the key that it was sent, as servers do. */
static void echo(void *arg, const struct llm_request *request, struct llm_reply *reply)
{
    struct echoing *echoing = arg;
    const char *sent = strstr(request->head, LAM_LLM_BEARER);

    assert_non_null(sent);
    assert_memory_equal(sent + sizeof LAM_LLM_BEARER - 1, KEY, sizeof KEY - 1);
    reply->body = echoing->body;
    reply->headers = echoing->headers;
    switch (echoing->way) {
    case ECHO_401:
        reply->status = 401;
        snprintf(echoing->body, sizeof echoing->body, "{\"error\":{\"message\":\"Incorrect API key provided: Bearer %s.\"}}", KEY);
        break;
    case ECHO_500:
        reply->status = 500;
        snprintf(echoing->body, sizeof echoing->body, "failed with %s and %s", KEY, KEY);
        break;
    case ECHO_ANSWER:
        snprintf(echoing->body, sizeof echoing->body, "{\"choices\":[{\"message\":{\"content\":\"the key is %s\"}}]}", KEY);
        break;
    case ECHO_PIECES:
        reply->content_type = "text/event-stream";
        snprintf(echoing->body, sizeof echoing->body,
                 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the key is %.9s\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
                 "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
                 KEY, &KEY[9]);
        break;
    case ECHO_ELSEWHERE:
    case ECHO_LOOP:
        reply->status = 307;
        snprintf(echoing->headers, sizeof echoing->headers, "Location: %s/v1/login?from=%s\r\n", echoing->way == ECHO_LOOP ? "" : "http://example.org", KEY);
        break;
    case ECHOES:
        break;
    }
}

/* What is in a file has the key nowhere; returns how often it has the mask. */
static unsigned check_file(int fd)
{
    static char text[1 << 20];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    unsigned count = 0;

    assert_true(len >= 0);
    text[len] = '\0';
    assert_null(strstr(text, KEY));
    for (const char *at = strstr(text, LAM_LLM_MASK); at; at = strstr(at + 1, LAM_LLM_MASK))
        count++;
    return count;
}

static unsigned check_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd;

        if (entry->d_name[0] == '.')
            continue;
        fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
        assert_true(fd >= 0);
        count += check_file(fd);
        close(fd);
        assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    }
    closedir(dir);
    return count;
}

static void test_a_key_that_comes_back_is_nowhere(void **state)
{
    (void)state;
    assert_int_equal(setenv("LAMINA_TEST_KEY", KEY, 1), 0);
    for (int way = 0; way < ECHOES; way++) {
        struct echoing echoing = {.way = (enum echo)way};
        char folder[] = "/tmp/lamina_mask_XXXXXX";
        struct lam_llm_record_options record = {.folder = mkdtemp(folder), .name = "r"};
        struct kit *kit = kit_new(echo, &echoing);
        struct lam_log log = {.fd = memfd_create("log", 0), .level = LAM_LOG_DEBUG};
        unsigned in_log, recorded;

        kit->options.log = &log;
        kit->options.transport = &lam_llm_transport_record;
        kit->options.transport_arg = &record;
        kit->endpoints[0].key_env = "LAMINA_TEST_KEY";
        kit_open(kit);
        kit_send(kit, 1);
        kit_wait(kit);
        assert_null(strstr(kit->results[0].reason, KEY));
        assert_null(strstr(kit->results[0].body, KEY));
        if (!strstr(way == ECHO_ANSWER || way == ECHO_PIECES ? kit->results[0].body : kit->results[0].reason, LAM_LLM_MASK))
            fail_msg("way %d: \"%s\", \"%s\"", way, kit->results[0].reason, kit->results[0].body);
        kit_free(kit);
        in_log = check_file(log.fd);
        recorded = check_folder(folder);
        assert_true(way == ECHO_ANSWER || way == ECHO_PIECES || in_log);
        assert_true(way == ECHO_PIECES || way >= ECHO_ELSEWHERE || recorded);
        close(log.fd);
        assert_int_equal(rmdir(folder), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_masked_wherever_it_stands),
        cmocka_unit_test(test_also_with_escapes),
        cmocka_unit_test(test_words_of_an_answer_stay),
        cmocka_unit_test(test_a_key_that_is_a_word_spoils_no_answer),
        cmocka_unit_test(test_of_a_string),
        cmocka_unit_test(test_a_key_that_comes_back_is_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
