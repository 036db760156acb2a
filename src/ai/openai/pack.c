/*
 * Packs: several documents in one request, and its answer taken apart again.
 *
 *     queue ──as many as fit context, budget and what the model can (pack_size.h), large ones first──> one request
 *     answer {"d1":{…},"d2":{…}}, or {"answers":[{"id":"d1",…},…]} ──each checked alone──> its questions
 *
 * A field for each document leaves a server that holds the schema nothing to mix up; others may still answer as they like. What an answer misses is
 * asked again in a pack of half that size at most; where it mixes documents nothing of it is used, and all are. So after at most seven packs a document
 * is asked about alone, as in `combined` mode.
 */
#include "own.h"

#include <math.h>
#include <stdlib.h>

#include "mend.h"
#include "schema.h"

#define MARGIN 64u
#define FRAME 16u            /* tokens around the answers */
#define ANSWER_MAX 16000u    /* tokens of one answer: what many models write at most */
#define WINDOW 4096u         /* questions that are looked at to fill one pack */
#define WAIT_US 200000       /* that questions wait for others to be packed with */
#define AHEAD 2u             /* packs beyond what the endpoints take at once: none is made long before the answers that tell its size */

/* --- how many fit --- */

/* Counted by the server to guessed here: careful until something was counted. */
static double factor_of(const struct lam_openai *o, uint32_t tier) { return o->tokens[tier].factor > 0 ? o->tokens[tier].factor : 1.1; }

static struct lam_pack_size *size_of(struct lam_openai *o, const struct lam_openai_request *request) { return &o->packs[request->ask][request->tier]; }

static uint32_t answer_of(const struct lam_openai *o, uint32_t ask, uint32_t tier)
{
    return lam_pack_answer(&o->packs[ask][tier], o->asks.items[ask].expected_tokens, o->asks.items[ask].answer_tokens);
}

/* Tokens, as guessed, that the documents of one pack may have together with their answers. */
uint32_t lam_pack_room(const struct lam_openai *o, uint32_t ask, uint32_t tier)
{
    uint32_t budget = o->job->deep.token_budget < o->context[tier] ? o->job->deep.token_budget : o->context[tier];
    uint32_t taken = lam_token_correct(&o->tokens[tier], o->asks.items[ask].guess[1]) + MARGIN + FRAME;

    return budget > taken ? (uint32_t)((budget - taken) / factor_of(o, tier)) : 0;
}

/* Those of them that this question takes. */
uint32_t lam_pack_part(const struct lam_openai *o, const struct lam_question *question)
{
    return question->guess + LAM_DOCUMENT_MARKS + (uint32_t)(answer_of(o, question->ask, question->tier) / factor_of(o, question->tier));
}

/* Documents that one answer can be about. */
static uint32_t written_of(const struct lam_openai *o, uint32_t ask, uint32_t tier)
{
    uint32_t most = ANSWER_MAX / answer_of(o, ask, tier);

    return most > LAM_PACK_MAX ? LAM_PACK_MAX : most ? most : 1;
}

/* Documents in one pack at most. */
static uint32_t most_of(const struct lam_openai *o, uint32_t ask, uint32_t tier)
{
    uint32_t most = lam_pack_most(&o->packs[ask][tier], o->job->deep.timeout_us), written = written_of(o, ask, tier);

    return written > most ? most : written;
}

double lam_pack_share(const struct lam_openai *o, const struct lam_question *question, uint32_t tier)
{
    double room = lam_pack_room(o, question->ask, tier), size = lam_pack_part(o, question), least = 1.0 / written_of(o, question->ask, tier);

    return size >= room ? 1 : size / room < least ? least : size / room;
}

/* Tokens that a pack's answer may have: twice what is expected where there is room, so that one of long answers is not cut off. */
uint32_t lam_pack_answer_tokens(const struct lam_openai *o, const struct lam_openai_request *request)
{
    uint32_t one = answer_of(o, request->ask, request->tier), allowed = o->asks.items[request->ask].answer_tokens, count = (uint32_t)request->count;
    uint32_t loose = allowed + allowed / 4; /* lines of a pack are indented deeper */
    uint32_t least = FRAME + count * one, wanted = FRAME + count * (2 * one < loose ? 2 * one : loose);
    uint32_t prompt = lam_token_correct(&o->tokens[request->tier], request->guess), taken = prompt + prompt / 16 + MARGIN;
    uint32_t room = o->context[request->tier] > taken ? o->context[request->tier] - taken : 0;

    wanted = wanted < ANSWER_MAX ? wanted : ANSWER_MAX;
    wanted = wanted < room ? wanted : room;
    return wanted > least ? wanted : least;
}

/* --- filling --- */

static uint32_t at_once(const struct lam_openai *o, uint32_t tier)
{
    uint32_t sum = AHEAD;

    for (size_t i = 0; i < o->job->deep.endpoint_count; i++)
        if (o->job->deep.endpoints[i].kind == LAM_JOB_CHAT && o->job->deep.endpoints[i].tier == tier)
            sum += o->job->deep.endpoints[i].concurrency;
    return sum;
}

/* Are there enough under way, or does it pay to wait for more to pack with? */
bool lam_pack_waits(struct lam_openai *o, uint32_t ask, uint32_t tier, int64_t now)
{
    const struct lam_question_queue *queue = &o->ready[ask][tier];
    uint64_t all = queue->guess + queue->count * (LAM_DOCUMENT_MARKS + (uint64_t)(answer_of(o, ask, tier) / factor_of(o, tier)));

    if (o->open_by_tier[tier] >= at_once(o, tier))
        return true;
    if ((o->draining && !o->asking_count && !o->subs) || queue->count >= most_of(o, ask, tier) || all >= lam_pack_room(o, ask, tier))
        return false;
    if (!o->packing_since_us)
        o->packing_since_us = now;
    return now - o->packing_since_us < WAIT_US;
}

static int larger_first(const void *a, const void *b)
{
    const struct lam_question *x = *(const struct lam_question *const *)a, *y = *(const struct lam_question *const *)b;

    return (x->guess < y->guess) - (x->guess > y->guess);
}

/*
 * Fills one pack from the queue: the largest question that waits, then of the others each that still fits, from large to small (first fit, decreasing:
 * never more than 11/9 of the fewest packs). Questions with a history of errors go alone.
 */
int lam_pack_pump(struct lam_openai *o, uint32_t ask, uint32_t tier, struct lam_error *err)
{
    struct lam_question_queue *queue = &o->ready[ask][tier];
    uint32_t left = lam_pack_room(o, ask, tier), most = most_of(o, ask, tier);
    size_t window = most == 1 ? 1 : queue->count < WINDOW ? queue->count : WINDOW;
    struct lam_question **items = calloc(window, sizeof *items), **end;
    struct lam_openai_request *request = lam_request_new(o, ask, tier, err);

    if (!items || !request) {
        free(items);
        free(request);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a request");
    }
    for (size_t i = 0; i < window; i++)
        items[i] = lam_question_pop(queue);
    qsort(items, window, sizeof *items, larger_first);
    end = &request->questions;
    for (size_t i = 0; i < window; i++) {
        uint32_t size = lam_pack_part(o, items[i]);
        uint32_t with = items[i]->repairs || items[i]->avoid || items[i]->cut ? 1 : items[i]->halved ? items[i]->halved : LAM_PACK_MAX;

        if (request->count && (size > left || request->count >= most || request->count >= with)) {
            lam_question_push(o, items[i]);
            continue;
        }
        most = with < most ? with : most;
        *end = items[i];
        end = &items[i]->next;
        *end = NULL;
        request->count++;
        left = left > size ? left - size : 0;
    }
    free(items);
    request->packed = request->count > 1;
    return lam_request_dispatch(o, request, err);
}

int lam_pack_format(struct lam_openai *o, const struct lam_openai_request *request, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answers\",\"strict\":true,\"schema\":")) ||
        (rc = lam_llm_schema_pack(lam_buf_sv(&o->asks.items[request->ask].schema), request->count, out, err)))
        return rc;
    return lam_buf_addf(out, err, "}}");
}

/* --- taking apart --- */

/* In packs of half its size at most; a half of two is one document alone. */
static void again(struct lam_openai *o, struct lam_openai_request *request)
{
    struct lam_question *question;

    o->stats.splits++;
    while ((question = lam_request_take_first(request))) {
        question->halved = (uint32_t)(request->count + 1) / 2;
        lam_question_push(o, question);
    }
}

void lam_pack_split(struct lam_openai *o, struct lam_openai_request *request, uint32_t cut_tokens)
{
    if (!lam_ask_embeds(o, request->ask))
        lam_pack_failed(size_of(o, request), (uint32_t)request->count, cut_tokens);
    again(o, request);
}

/* "d7" of at least so many documents is 7; 0: it is none of them. */
static size_t number_of(struct lam_sv id, size_t count)
{
    size_t number = 0;

    if (id.len < 2 || id.len > 6 || id.ptr[0] != 'd')
        return 0;
    for (size_t i = 1; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9')
            return 0;
        number = 10 * number + (size_t)(id.ptr[i] - '0');
    }
    return number <= count ? number : 0;
}

static bool put(uint32_t *by_id, size_t id, uint32_t value)
{
    if (!id || by_id[id - 1])
        return false;
    by_id[id - 1] = value;
    return true;
}

/* The answers by document; false: one is about none of them, or two are about one, so that none can be trusted. */
static bool sort_answers(const struct lam_json *answer, size_t count, uint32_t *by_id)
{
    uint32_t all = lam_json_field(answer, LAM_JSON_ROOT, LAM_SV("answers"));
    bool listed = lam_json_type(answer, all) == LAM_JSON_ARRAY;
    struct lam_json_iter iter = lam_json_iter(answer, lam_json_type(answer, all) == LAM_JSON_OBJECT || listed ? all : LAM_JSON_ROOT);

    while (lam_json_next(&iter)) {
        struct lam_sv id = lam_json_string(answer, lam_json_field(answer, iter.value, LAM_SV("id")));

        if (lam_json_type(answer, iter.value) != LAM_JSON_OBJECT) {
            if (listed)
                return false;
        } else if (listed) {
            if (!put(by_id, number_of(id, count), iter.value))
                return false;
        } else if ((id.len && !lam_sv_eq(id, iter.name)) || !put(by_id, number_of(iter.name, count), iter.value)) {
            return false;
        }
    }
    return true;
}

/* An object without its "id", which the schema of one document does not know. */
static int without_id(const struct lam_json *json, uint32_t value, struct lam_buf *out, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(json, value);
    bool first = true;
    int rc = lam_buf_add(out, "{", 1, err);

    while (!rc && lam_json_next(&iter)) {
        if (lam_sv_eq(iter.name, LAM_SV("id")))
            continue;
        if (!(rc = first ? 0 : lam_buf_add(out, ",", 1, err)) && !(rc = lam_buf_add_json(out, iter.name, err)) && !(rc = lam_buf_add(out, ":", 1, err)))
            rc = lam_buf_add_sv(out, lam_json_raw(json, iter.value), err);
        first = false;
    }
    return rc ? rc : lam_buf_add(out, "}", 1, err);
}

/* Does the pack's answer have one for this document that holds its schema? Then it stands in o->scratch3. */
static bool usable(struct lam_openai *o, uint32_t ask, const struct lam_json *answer, uint32_t value)
{
    lam_buf_clear(&o->scratch3);
    return value && !without_id(answer, value, &o->scratch3, NULL) && !lam_json_parse(o->value, lam_buf_sv(&o->scratch3), NULL) &&
           !lam_llm_mend(o->asks.items[ask].check, o->value, &o->scratch3, NULL);
}

int lam_pack_take(struct lam_openai *o, struct lam_openai_request *request, const struct lam_llm_reply *reply, struct lam_error *err)
{
    const struct lam_json *answer = lam_llm_reader_answer(o->reader);
    uint32_t *by_id = calloc(request->count, sizeof *by_id), asked = (uint32_t)request->count;
    struct lam_question *question, *missing = NULL;
    size_t at = 0, missed = 0;
    int rc = 0;

    if (!by_id)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an answer");
    if ((rc = lam_llm_reader_content(o->reader, reply->content, err)) == LAM_E_MEMORY)
        goto cleanup;
    if (rc || !sort_answers(answer, request->count, by_id)) {
        rc = 0;
        lam_pack_split(o, request, 0);
        goto cleanup;
    }
    while (!rc && (question = lam_request_take_first(request))) {
        if (usable(o, request->ask, answer, by_id[at++])) {
            rc = lam_request_accept(o, request, question, reply, lam_buf_sv(&o->scratch3), NAN, err);
            continue;
        }
        question->next = missing;
        missing = question;
        missed++;
    }
    lam_pack_answered(size_of(o, request), asked, asked - (uint32_t)missed, reply->tokens_out, request->latency_us);
    while (rc && missing) { /* to those that the failure leaves without an end */
        struct lam_question *next = missing->next;

        missing->next = request->questions;
        request->questions = missing;
        missing = next;
    }
    if (missing) {
        request->questions = missing;
        request->count = missed;
        again(o, request);
    }
cleanup:
    free(by_id);
    return rc;
}
