#include "sse.h"

#include <stdlib.h>

#include "model/json.h"

#define CALLS_MAX 32
#define PART_MAX ((size_t)64 << 20)

struct call {
    struct lam_buf id, name, arguments;
};

struct answer {
    struct lam_json *json;
    struct lam_buf id, model, content, finish, logprobs, usage;
    struct call calls[CALLS_MAX];
    unsigned call_count;
    bool has_content, done;
};

static void answer_init(struct answer *answer, struct lam_json *json)
{
    struct lam_buf *bufs[] = {&answer->id, &answer->model, &answer->content, &answer->finish, &answer->logprobs, &answer->usage};

    memset(answer, 0, sizeof *answer);
    answer->json = json;
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        lam_buf_init(bufs[i], PART_MAX);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        lam_buf_init(&answer->calls[i].id, PART_MAX);
        lam_buf_init(&answer->calls[i].name, PART_MAX);
        lam_buf_init(&answer->calls[i].arguments, PART_MAX);
    }
}

static void answer_release(struct answer *answer)
{
    struct lam_buf *bufs[] = {&answer->id, &answer->model, &answer->content, &answer->finish, &answer->logprobs, &answer->usage};

    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        lam_buf_release(bufs[i]);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        lam_buf_release(&answer->calls[i].id);
        lam_buf_release(&answer->calls[i].name);
        lam_buf_release(&answer->calls[i].arguments);
    }
}

/* The first one that is not empty counts: names. */
static int keep_first(struct lam_buf *buf, const struct lam_json *json, uint32_t at, struct lam_error *err)
{
    return buf->len ? 0 : lam_buf_add_sv(buf, lam_json_string(json, at), err);
}

static int add_calls(struct answer *answer, uint32_t list, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(answer->json, list);
    int rc = 0;

    while (!rc && lam_json_next(&iter)) {
        struct lam_sv index = lam_json_raw(answer->json, lam_json_field(answer->json, iter.value, LAM_SV("index")));
        unsigned at = 0;
        struct call *call;

        for (size_t i = 0; i < index.len && at <= CALLS_MAX; i++)
            at = index.ptr[i] >= '0' && index.ptr[i] <= '9' ? at * 10 + (unsigned)(index.ptr[i] - '0') : CALLS_MAX + 1;
        if (at >= CALLS_MAX)
            return LAM_FAIL(err, LAM_E_LIMIT, "a streamed answer with more than %d tool calls", CALLS_MAX);
        call = &answer->calls[at];
        if (at >= answer->call_count)
            answer->call_count = at + 1;
        rc = keep_first(&call->id, answer->json, lam_json_field(answer->json, iter.value, LAM_SV("id")), err);
        rc = rc ? rc : keep_first(&call->name, answer->json, lam_json_find(answer->json, iter.value, LAM_SV("/function/name")), err);
        rc = rc ? rc : lam_buf_add_sv(&call->arguments, lam_json_string(answer->json, lam_json_find(answer->json, iter.value, LAM_SV("/function/arguments"))), err);
    }
    return rc;
}

/* The elements of a part of logprobs, behind those of earlier parts. */
static int add_logprobs(struct answer *answer, uint32_t list, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(answer->json, list);
    int rc = 0;

    while (!rc && lam_json_next(&iter)) {
        rc = answer->logprobs.len ? lam_buf_add(&answer->logprobs, ",", 1, err) : 0;
        rc = rc ? rc : lam_buf_add_sv(&answer->logprobs, lam_json_raw(answer->json, iter.value), err);
    }
    return rc;
}

static int add_choice(struct answer *answer, uint32_t choice, struct lam_error *err)
{
    const struct lam_json *json = answer->json;
    uint32_t content = lam_json_find(json, choice, LAM_SV("/delta/content"));
    int rc = 0;

    if (lam_json_type(json, content) == LAM_JSON_STRING) {
        answer->has_content = true;
        rc = lam_buf_add_sv(&answer->content, lam_json_string(json, content), err);
    }
    rc = rc ? rc : add_calls(answer, lam_json_find(json, choice, LAM_SV("/delta/tool_calls")), err);
    rc = rc ? rc : add_logprobs(answer, lam_json_find(json, choice, LAM_SV("/logprobs/content")), err);
    return rc ? rc : keep_first(&answer->finish, json, lam_json_field(json, choice, LAM_SV("finish_reason")), err);
}

static int add_event(struct answer *answer, struct lam_sv data, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_json *json = answer->json;
    struct lam_json_iter choices;
    uint32_t usage;
    int rc;

    if (lam_json_parse(answer->json, data, err))
        return LAM_PASS(err, LAM_E_CORRUPT, "an event of a streamed answer is no JSON");
    if (lam_json_type(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("error"))) > LAM_JSON_NULL) {
        lam_buf_clear(out);
        rc = lam_buf_add_sv(out, data, err);
        return rc ? rc : LAM_FAIL(err, LAM_E_INVALID, "an error within a streamed answer");
    }
    rc = keep_first(&answer->id, json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("id")), err);
    rc = rc ? rc : keep_first(&answer->model, json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model")), err);
    usage = lam_json_field(json, LAM_JSON_ROOT, LAM_SV("usage"));
    if (!rc && lam_json_type(json, usage) == LAM_JSON_OBJECT) { /* the last one: some servers count on in each event */
        lam_buf_clear(&answer->usage);
        rc = lam_buf_add_sv(&answer->usage, lam_json_raw(json, usage), err);
    }
    choices = lam_json_iter(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("choices")));
    while (!rc && lam_json_next(&choices)) {
        struct lam_sv index = lam_json_raw(json, lam_json_field(json, choices.value, LAM_SV("index")));

        if (index.len == 0 || lam_sv_eq(index, LAM_SV("0")))
            rc = add_choice(answer, choices.value, err);
    }
    return rc;
}

/* {"index":0,"id":…,"type":"function","function":{"name":…,"arguments":…}} */
static int write_calls(const struct answer *answer, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, ",\"tool_calls\":[");

    for (unsigned i = 0; !rc && i < answer->call_count; i++) {
        rc = lam_buf_addf(out, err, "%s{\"index\":%u,\"type\":\"function\",\"id\":", i ? "," : "", i);
        rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->calls[i].id), err);
        rc = rc ? rc : lam_buf_addf(out, err, ",\"function\":{\"name\":");
        rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->calls[i].name), err);
        rc = rc ? rc : lam_buf_addf(out, err, ",\"arguments\":");
        rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->calls[i].arguments), err);
        rc = rc ? rc : lam_buf_addf(out, err, "}}");
    }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

static int write_answer(const struct answer *answer, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "{\"id\":");

    rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->id), err);
    rc = rc ? rc : lam_buf_addf(out, err, ",\"object\":\"chat.completion\",\"model\":");
    rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->model), err);
    rc = rc ? rc : lam_buf_addf(out, err, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
    if (answer->has_content)
        rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->content), err);
    else
        rc = rc ? rc : lam_buf_addf(out, err, "null");
    if (answer->call_count)
        rc = rc ? rc : write_calls(answer, out, err);
    rc = rc ? rc : lam_buf_addf(out, err, "},\"finish_reason\":");
    if (answer->finish.len)
        rc = rc ? rc : lam_buf_add_json(out, lam_buf_sv(&answer->finish), err);
    else
        rc = rc ? rc : lam_buf_addf(out, err, "null");
    if (answer->logprobs.len)
        rc = rc ? rc : lam_buf_addf(out, err, ",\"logprobs\":{\"content\":[%.*s]}", (int)answer->logprobs.len, answer->logprobs.ptr);
    rc = rc ? rc : lam_buf_addf(out, err, "}]");
    if (answer->usage.len)
        rc = rc ? rc : lam_buf_addf(out, err, ",\"usage\":%.*s", (int)answer->usage.len, answer->usage.ptr);
    return rc ? rc : lam_buf_addf(out, err, "}");
}

int lam_llm_sse_join(struct lam_json *json, struct lam_sv text, struct lam_buf *out, struct lam_error *err)
{
    struct answer *answer = malloc(sizeof *answer);
    int rc = 0;

    if (!answer)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a streamed answer");
    answer_init(answer, json);
    while (!rc && text.len && !answer->done) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct lam_sv line = lam_sv(text.ptr, end ? (size_t)(end - text.ptr) : text.len);

        text = lam_sv(text.ptr + line.len + (end != NULL), text.len - line.len - (end != NULL));
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len < 5 || memcmp(line.ptr, "data:", 5)) /* comments that keep the connection awake, event names, blanks */
            continue;
        line = lam_sv(line.ptr + 5, line.len - 5);
        if (line.len && line.ptr[0] == ' ')
            line = lam_sv(line.ptr + 1, line.len - 1);
        if (lam_sv_eq(line, LAM_SV("[DONE]")))
            answer->done = true;
        else if (line.len)
            rc = add_event(answer, line, out, err);
    }
    if (!rc && !answer->done && !answer->finish.len)
        rc = LAM_FAIL(err, LAM_E_IO, "a streamed answer ended before it was whole");
    rc = rc ? rc : write_answer(answer, out, err);
    answer_release(answer);
    free(answer);
    return rc;
}
