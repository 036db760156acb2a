#include "answer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ai/cache.h"
#include "base/buf.h"
#include "mend.h"
#include "schema.h"

#define ANSWER_DEPTH (LAM_LLM_DEPTH - 2)
#define ANSWER_MAX (LAM_CACHE_VALUE_MAX - ((size_t)64 << 10))
#define OBJECTS_TRIED 8 /* braces in chatter at which an object is looked for */

struct lam_llm_reader {
    struct lam_json *body, *answer;
    struct lam_buf text; /* tokens put together */
    struct lam_buf parts, mended; /* a content of several parts; an answer that was mended */
    size_t found_at; /* where in its content the answer begins */
};

struct lam_llm_reader *lam_llm_reader_new(size_t max_body)
{
    struct lam_llm_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    lam_buf_init(&reader->text, max_body);
    lam_buf_init(&reader->parts, max_body);
    lam_buf_init(&reader->mended, ANSWER_MAX);
    reader->body = lam_json_new(max_body, LAM_LLM_DEPTH);
    reader->answer = lam_json_new(max_body < ANSWER_MAX ? max_body : ANSWER_MAX, ANSWER_DEPTH);
    if (!reader->body || !reader->answer) {
        lam_llm_reader_free(reader);
        return NULL;
    }
    return reader;
}

void lam_llm_reader_free(struct lam_llm_reader *reader)
{
    if (!reader)
        return;
    lam_json_free(reader->body);
    lam_json_free(reader->answer);
    lam_buf_release(&reader->text);
    lam_buf_release(&reader->parts);
    lam_buf_release(&reader->mended);
    free(reader);
}

const struct lam_json *lam_llm_reader_answer(const struct lam_llm_reader *reader) { return reader->answer; }

uint32_t lam_llm_count(const struct lam_json *json, const char *pointer)
{
    struct lam_number number;
    double value;

    if (!lam_json_number(json, lam_json_find(json, LAM_JSON_ROOT, lam_sv_of(pointer)), &number))
        return 0;
    value = lam_number_as_double(&number);
    return value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* The text of a content: a string, or an array of parts that have one. LAM_E_INVALID: it has none; without a text. */
static int read_text(struct lam_llm_reader *reader, uint32_t content, struct lam_sv *text)
{
    struct lam_json_iter iter = lam_json_iter(reader->body, content);
    bool any = false;

    if (lam_json_type(reader->body, content) == LAM_JSON_STRING) {
        *text = lam_json_string(reader->body, content);
        return 0;
    }
    lam_buf_clear(&reader->parts);
    while (lam_json_type(reader->body, content) == LAM_JSON_ARRAY && lam_json_next(&iter)) {
        uint32_t part = lam_json_field(reader->body, iter.value, LAM_SV("text"));

        if (lam_json_type(reader->body, part) != LAM_JSON_STRING)
            continue;
        any = true;
        if (lam_buf_add_sv(&reader->parts, lam_json_string(reader->body, part), NULL))
            return LAM_E_MEMORY; /* the body, which is longer, had room */
    }
    *text = lam_buf_sv(&reader->parts);
    return any ? 0 : LAM_E_INVALID;
}

int lam_llm_reader_chat(struct lam_llm_reader *reader, struct lam_sv body, struct lam_llm_reply *reply, struct lam_error *err)
{
    const struct lam_json *json = reader->body;
    uint32_t choice, content;
    struct lam_sv finish;
    int rc;

    *reply = (struct lam_llm_reply){0};
    reader->found_at = 0;
    if ((rc = lam_json_parse(reader->body, body, err)))
        return LAM_PASS(err, rc == LAM_E_MEMORY ? rc : LAM_E_INVALID, "the server's answer is no JSON");
    reply->model = lam_json_string(json, lam_json_field(json, LAM_JSON_ROOT, LAM_SV("model")));
    reply->tokens_in = lam_llm_count(json, "/usage/prompt_tokens");
    reply->tokens_out = lam_llm_count(json, "/usage/completion_tokens");
    reply->cached = lam_llm_count(json, "/usage/prompt_tokens_details/cached_tokens");
    choice = lam_json_find(json, LAM_JSON_ROOT, LAM_SV("/choices/0"));
    if (!choice)
        return LAM_FAIL(err, LAM_E_INVALID, "the server's answer has no choices");
    finish = lam_json_string(json, lam_json_field(json, choice, LAM_SV("finish_reason")));
    reply->finish = lam_sv_eq(finish, LAM_SV("length")) ? LAM_LLM_LENGTH : lam_sv_eq(finish, LAM_SV("content_filter")) ? LAM_LLM_FILTERED : LAM_LLM_STOP;
    content = lam_json_find(json, choice, LAM_SV("/message/content"));
    if (lam_json_type(json, lam_json_find(json, choice, LAM_SV("/message/refusal"))) == LAM_JSON_STRING && lam_json_type(json, content) != LAM_JSON_STRING)
        reply->finish = LAM_LLM_FILTERED;
    if (reply->finish != LAM_LLM_STOP)
        return 0;
    if ((rc = read_text(reader, content, &reply->content)))
        return LAM_FAIL(err, rc, rc == LAM_E_MEMORY ? "no memory for an answer" : "the server's answer has no content");
    reply->logprobs = lam_json_find(json, choice, LAM_SV("/logprobs/content"));
    return 0;
}

/* The end of the object that begins at text.ptr[at], behind its last brace; 0: it does not end. */
static size_t object_end(struct lam_sv text, size_t at)
{
    unsigned depth = 0;
    bool string = false;

    for (; at < text.len; at++) {
        char c = text.ptr[at];

        if (string) {
            if (c == '\\')
                at++;
            else if (c == '"')
                string = false;
        } else if (c == '"') {
            string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return at + 1;
        }
    }
    return 0;
}

static int read_object(struct lam_llm_reader *reader, struct lam_sv text, struct lam_error *err)
{
    int rc = lam_json_parse(reader->answer, text, err);

    if (rc || lam_json_type(reader->answer, LAM_JSON_ROOT) == LAM_JSON_OBJECT)
        return rc;
    return LAM_FAIL(err, LAM_E_INVALID, "no object");
}

/* What follows a model's thoughts. */
static struct lam_sv said(struct lam_sv content)
{
    static const char thought[] = "</think>";
    const char *end = content.len ? memmem(content.ptr, content.len, thought, sizeof thought - 1) : NULL;

    return end ? lam_sv(end + sizeof thought - 1, content.len - (size_t)(end + sizeof thought - 1 - content.ptr)) : content;
}

int lam_llm_reader_content(struct lam_llm_reader *reader, struct lam_sv content, struct lam_error *err)
{
    bool beyond;
    int rc;

    content = said(content);
    rc = read_object(reader, content, err);
    beyond = rc == LAM_E_LIMIT;
    for (size_t at = 0, tried = 0, stop; rc && rc != LAM_E_MEMORY && at < content.len && tried < OBJECTS_TRIED; at++) {
        if (content.ptr[at] != '{')
            continue;
        tried++;
        if ((stop = object_end(content, at)))
            rc = read_object(reader, lam_sv(content.ptr + at, stop - at), err);
        beyond |= rc == LAM_E_LIMIT;
    }
    if (!rc || rc == LAM_E_MEMORY)
        return rc;
    return beyond ? LAM_FAIL(err, LAM_E_INVALID, "the answer is too deep or too long") : LAM_FAIL(err, LAM_E_INVALID, "there is no JSON object in the answer");
}

/* Reads an object and fits it. LAM_E_INVALID: it is none (none is set), or does not hold the schema. */
static int fit_object(struct lam_llm_reader *reader, struct lam_sv text, const struct lam_json *schema, bool *none, struct lam_error *err)
{
    int rc = read_object(reader, text, err);

    *none = rc != 0;
    return rc ? rc : lam_llm_mend(schema, reader->answer, &reader->mended, err);
}

int lam_llm_reader_fit(struct lam_llm_reader *reader, struct lam_sv content, const struct lam_json *schema, struct lam_error *err)
{
    struct lam_sv text = said(content), best = {NULL, 0};
    struct lam_error why, wrong = {0};
    bool none;
    int rc = fit_object(reader, text, schema, &none, &why);

    reader->found_at = content.len - text.len;
    if (!rc || rc == LAM_E_MEMORY) /* mostly there is nothing else in it */
        return rc ? LAM_FAIL(err, rc, "%s", why.text) : 0;
    for (size_t at = 0, tried = 0, stop; at < text.len && tried < OBJECTS_TRIED; at++) {
        if (text.ptr[at] != '{' || (tried++, !(stop = object_end(text, at))))
            continue;
        if ((rc = fit_object(reader, lam_sv(text.ptr + at, stop - at), schema, &none, &why)) == LAM_E_MEMORY)
            goto failed;
        if (none && rc != LAM_E_LIMIT)
            continue; /* a brace in chatter: an object may begin within */
        wrong = rc ? why : wrong;
        best = rc ? best : lam_sv(text.ptr + at, stop - at);
        at = stop - 1;
        tried = 0;
    }
    if (best.ptr) {
        reader->found_at = (size_t)(best.ptr - content.ptr);
        if ((rc = fit_object(reader, best, schema, &none, &why)))
            goto failed;
        return 0;
    }
    if (!wrong.code)
        return LAM_FAIL(err, LAM_E_INVALID, "there is no JSON object in the answer");
    return wrong.code == LAM_E_LIMIT ? LAM_FAIL(err, LAM_E_INVALID, "the answer is too deep or too long") : LAM_FAIL(err, wrong.code, "%s", wrong.text);

failed:
    return LAM_FAIL(err, rc, "%s", why.text);
}

/* --- how sure --- */

/* Where the string value behind the first "field" from `from` on begins and ends in text; false: nowhere. */
static bool value_range(struct lam_sv text, size_t from, const char *field, size_t *begin, size_t *end)
{
    char quoted[64];
    int len = snprintf(quoted, sizeof quoted, "\"%s\"", field);
    const char *found = text.len > from ? memmem(text.ptr + from, text.len - from, quoted, (size_t)len) : NULL;
    size_t at;

    if (!found)
        return false;
    for (at = (size_t)(found - text.ptr) + (size_t)len; at < text.len && text.ptr[at] != '"'; at++)
        if (!strchr(" \t\r\n:", text.ptr[at]))
            return false;
    *begin = ++at;
    for (; at < text.len && text.ptr[at] != '"'; at++)
        at += text.ptr[at] == '\\';
    *end = at;
    return at < text.len && *end > *begin;
}

/* Bytes of a token: half a character has no text, but bytes. */
static size_t token_text(const struct lam_json *json, uint32_t token, char out[256])
{
    struct lam_json_iter iter = lam_json_iter(json, lam_json_field(json, token, LAM_SV("bytes")));
    struct lam_sv text;
    struct lam_number number;
    size_t len = 0;

    if (lam_json_type(json, lam_json_field(json, token, LAM_SV("bytes"))) == LAM_JSON_ARRAY) {
        while (len < 256 && lam_json_next(&iter))
            out[len++] = lam_json_number(json, iter.value, &number) && number.kind == LAM_NUMBER_I64 ? (char)(unsigned char)(number.i64 & 255) : '?';
        return len;
    }
    text = lam_json_string(json, lam_json_field(json, token, LAM_SV("token")));
    len = text.len < 256 ? text.len : 256;
    if (len)
        memcpy(out, text.ptr, len);
    return len;
}

double lam_llm_reader_certainty(const struct lam_llm_reader *given, const struct lam_llm_reply *reply, const char *field)
{
    struct lam_llm_reader *reader = (struct lam_llm_reader *)(uintptr_t)given; /* its scratch alone changes */
    const struct lam_json *json = reader->body;
    struct lam_json_iter iter = lam_json_iter(json, reply->logprobs);
    struct lam_number number;
    size_t begin, end, at = 0;
    double sum = 0;
    char text[256];

    lam_buf_clear(&reader->text);
    while (lam_json_next(&iter))
        if (lam_buf_add(&reader->text, text, token_text(json, iter.value, text), NULL))
            return NAN;
    if (!value_range(lam_buf_sv(&reader->text), reader->text.len == reply->content.len ? reader->found_at : 0, field, &begin, &end))
        return NAN;
    iter = lam_json_iter(json, reply->logprobs);
    while (lam_json_next(&iter) && at < end) {
        size_t len = token_text(json, iter.value, text);

        if (at + len > begin) {
            if (!lam_json_number(json, lam_json_field(json, iter.value, LAM_SV("logprob")), &number))
                return NAN;
            sum += lam_number_as_double(&number);
        }
        at += len;
    }
    return sum <= 0 ? exp(sum) : 1;
}

void lam_llm_reader_error(struct lam_llm_reader *reader, struct lam_sv body, char *out, size_t cap)
{
    static const char *const pointers[] = {"/error/message", "/error", "/message", "/detail", NULL};
    struct lam_sv text = body;

    if (!lam_json_parse(reader->body, body, NULL))
        for (const char *const *pointer = pointers; *pointer; pointer++) {
            uint32_t at = lam_json_find(reader->body, LAM_JSON_ROOT, lam_sv_of(*pointer));

            if (lam_json_type(reader->body, at) == LAM_JSON_STRING) {
                text = lam_json_string(reader->body, at);
                break;
            }
        }
    snprintf(out, cap, "%.*s", (int)(text.len < 300 ? text.len : 300), text.len ? text.ptr : "");
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

/* --- into a row --- */

static int keep(struct lam_block *block, struct lam_sv text, struct lam_sv *out, struct lam_error *err)
{
    char *copy;

    if (!text.len) {
        *out = lam_sv("", 0);
        return 0;
    }
    if (!(copy = lam_block_alloc(block, text.len)))
        return LAM_FAIL(err, LAM_E_LIMIT, "the block is full");
    memcpy(copy, text.ptr, text.len);
    *out = lam_sv(copy, text.len);
    return 0;
}

static double number_at(const struct lam_json *json, uint32_t at, const char *field, double none)
{
    struct lam_number number;

    return lam_json_number(json, lam_json_field(json, at, lam_sv_of(field)), &number) ? lam_number_as_double(&number) : none;
}

double lam_llm_answer_confidence(const struct lam_json *answer, uint32_t at, double certainty)
{
    return isnan(certainty) ? number_at(answer, at, "confidence", 0) / 10 : certainty;
}

/* Where needle stands in text, from `from` on; SIZE_MAX: nowhere. Letters of ASCII in either case, where it does not stand there exactly. */
static size_t find(struct lam_sv text, struct lam_sv needle, size_t from)
{
    const char *exact = from < text.len ? memmem(text.ptr + from, text.len - from, needle.ptr, needle.len) : NULL;

    if (exact)
        return (size_t)(exact - text.ptr);
    for (size_t at = from; at + needle.len <= text.len; at++)
        if (!strncasecmp(text.ptr + at, needle.ptr, needle.len))
            return at;
    return SIZE_MAX;
}

struct found {
    size_t start, end;
};

static bool taken(const struct found *found, size_t count, size_t start, size_t end)
{
    for (size_t i = 0; i < count; i++)
        if (start < found[i].end && end > found[i].start)
            return true;
    return false;
}

static int add_entity(struct lam_sv type, struct lam_sv text, const struct found *place, bool first, struct lam_buf *out, struct lam_error *err)
{
    struct lam_sv there = lam_sv(text.ptr + place->start, place->end - place->start);
    int rc;

    if ((rc = lam_buf_addf(out, err, "%s{\"type\":", first ? "" : ",")) || (rc = lam_buf_add_json(out, type, err)) || (rc = lam_buf_addf(out, err, ",\"text\":")) ||
        (rc = lam_buf_add_json(out, there, err)) || (rc = lam_buf_addf(out, err, ",\"value\":")) || (rc = lam_buf_add_json(out, there, err)))
        return rc;
    return lam_buf_addf(out, err, ",\"start\":%zu,\"end\":%zu}", place->start, place->end);
}

static int apply_entities(const struct lam_json *answer, uint32_t at, struct lam_block *block, struct lam_row *row, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(answer, lam_json_field(answer, at, LAM_SV("entities")));
    struct found found[LAM_LLM_ENTITIES_MAX];
    struct lam_sv text = row->rec.text;
    struct lam_buf out;
    size_t count = 0;
    int rc;

    lam_buf_init(&out, (size_t)1 << 20);
    rc = lam_buf_add(&out, "[", 1, err);
    while (!rc && count < LAM_LLM_ENTITIES_MAX && lam_json_next(&iter)) {
        struct lam_sv name = lam_json_string(answer, lam_json_field(answer, iter.value, LAM_SV("text")));
        struct lam_sv type = lam_json_string(answer, lam_json_field(answer, iter.value, LAM_SV("type")));
        size_t start = name.len ? find(text, name, 0) : SIZE_MAX;

        while (start != SIZE_MAX && taken(found, count, start, start + name.len))
            start = find(text, name, start + 1);
        if (start == SIZE_MAX)
            continue; /* made up, or told twice */
        found[count] = (struct found){start, start + name.len};
        rc = add_entity(type, text, &found[count], count == 0, &out, err);
        count++;
    }
    if (!rc && !(rc = lam_buf_add(&out, "]", 1, err)))
        rc = keep(block, lam_buf_sv(&out), &row->enr.entities, err);
    lam_buf_release(&out);
    return rc;
}

/* At most max strings, each once, those without text left out. */
static int apply_keywords(const struct lam_json *answer, uint32_t at, uint32_t max, struct lam_block *block, struct lam_row *row, struct lam_error *err)
{
    uint32_t list = lam_json_field(answer, at, LAM_SV("keywords"));
    struct lam_json_iter iter = lam_json_iter(answer, list), before;
    struct lam_buf out;
    uint32_t count = 0;
    int rc;

    lam_buf_init(&out, (size_t)1 << 20);
    rc = lam_buf_add(&out, "[", 1, err);
    while (!rc && count < max && lam_json_next(&iter)) {
        struct lam_sv word = lam_json_string(answer, iter.value);
        bool again = word.len == 0;

        before = lam_json_iter(answer, list);
        while (!again && lam_json_next(&before) && before.value != iter.value)
            again = lam_sv_eq(word, lam_json_string(answer, before.value));
        if (again)
            continue;
        rc = count++ ? lam_buf_add(&out, ",", 1, err) : 0;
        if (!rc)
            rc = lam_buf_add_json(&out, word, err);
    }
    if (!rc && !(rc = lam_buf_add(&out, "]", 1, err)))
        rc = keep(block, lam_buf_sv(&out), &row->enr.keywords, err);
    lam_buf_release(&out);
    return rc;
}

int lam_llm_answer_apply(const struct lam_tasks *tasks, uint32_t wanted, const struct lam_json *answer, uint32_t at, double certainty, struct lam_block *block,
                         struct lam_row *row, struct lam_error *err)
{
    struct lam_sv language = lam_json_string(answer, lam_json_field(answer, at, LAM_SV("language")));
    int rc = 0;

    if (wanted & LAM_TASK_CLASSIFY) {
        rc = keep(block, lam_json_string(answer, lam_json_field(answer, at, LAM_SV("category"))), &row->enr.category, err);
        row->enr.confidence = (float)lam_llm_answer_confidence(answer, at, certainty);
    }
    if (!rc && wanted & LAM_TASK_SENTIMENT)
        row->enr.sentiment = (float)(number_at(answer, at, "sentiment", NAN) / 5);
    if (!rc && wanted & LAM_TASK_LANGUAGE)
        rc = keep(block, lam_sv_eq(language, LAM_SV("und")) ? lam_sv("", 0) : language, &row->enr.language, err);
    if (!rc && wanted & LAM_TASK_KEYWORDS)
        rc = apply_keywords(answer, at, tasks->max_keywords, block, row, err);
    if (!rc && wanted & LAM_TASK_ENTITIES)
        rc = apply_entities(answer, at, block, row, err);
    if (!rc && wanted & LAM_TASK_SUMMARIZE)
        rc = keep(block, lam_json_string(answer, lam_json_field(answer, at, LAM_SV("summary"))), &row->enr.summary, err);
    if (!rc && wanted & LAM_TASK_CUSTOM)
        rc = keep(block, lam_json_raw(answer, lam_json_field(answer, at, LAM_SV("custom"))), &row->enr.custom, err);
    return rc;
}
