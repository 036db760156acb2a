/*
 * Documents beyond the context whose summary is asked for: map and reduce.
 *
 *     text ──cut at paragraphs──> parts ──each summarised──> beginning of the text + summaries of all parts ──> the question itself
 *
 * Parts are questions like others, with a place in the cache of their own. So all of a text is seen, up to PARTS_MAX parts; where no summary is asked for
 * the text's edges are enough (lam_question_shorten).
 */
#include "own.h"

#include <stdio.h>
#include <stdlib.h>

#define PARTS_MAX 64u
#define JOINED_MAX ((size_t)16 << 20)

bool lam_long_maps(const struct lam_openai *o, const struct lam_question *question)
{
    return o->asks.part != SIZE_MAX && o->asks.items[question->ask].tasks & LAM_TASK_SUMMARIZE && !o->options.write_request;
}

void lam_long_free(struct lam_question *question)
{
    for (size_t i = 0; question->map && i < question->map->count; i++)
        free(question->map->summaries[i]);
    if (question->map) {
        free(question->map->summaries);
        free(question->map->rejected);
    }
    free(question->map);
    question->map = NULL;
}

/* The beginning, then what the parts say. */
static int join(struct lam_openai *o, struct lam_question *question, struct lam_buf *out, struct lam_error *err)
{
    uint32_t room = lam_question_room(o, question);
    struct lam_sv head = lam_token_cut(question->doc->text, room / 4);
    int rc;

    head.len = lam_question_cut_before(head, head.len);
    if ((rc = lam_buf_add_sv(out, head, err)) || (rc = lam_buf_addf(out, err, "\n\n[...]\n\nSummaries of all parts of the document, in order:\n")))
        return rc;
    for (size_t i = 0; !rc && i < question->map->count; i++)
        rc = lam_buf_addf(out, err, "%zu. %s\n", i + 1, question->map->summaries[i] ? question->map->summaries[i] : "");
    out->len = lam_token_cut(lam_buf_sv(out), room).len;
    return rc;
}

static int reduce(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    struct lam_buf text;
    int rc;

    lam_buf_init(&text, JOINED_MAX);
    if ((rc = join(o, question, &text, err))) {
        lam_buf_release(&text);
        return rc;
    }
    free(question->owned);
    question->owned = text.ptr;
    question->text = lam_buf_sv(&text);
    question->guess = lam_token_guess(question->title) + lam_token_guess(question->text);
    question->cut = true;
    o->stats.cut += !question->doc->cut;
    question->doc->cut = true;
    lam_long_free(question);
    lam_question_push(o, question);
    return 0;
}

/* All parts have their end. */
static void finish(struct lam_openai *o, struct lam_question *question)
{
    struct lam_error err;
    int rc;

    if (question->map->rejected) {
        char reason[300];

        snprintf(reason, sizeof reason, "a part of it: %.250s", question->map->rejected);
        lam_question_reject(o, question, reason);
    } else if (question->map->pending) {
        lam_question_pending(o, question);
    } else if ((rc = reduce(o, question, &err))) {
        if (!o->failed.code)
            o->failed = err;
        lam_question_pending(o, question);
    }
}

void lam_long_end(struct lam_openai *o, struct lam_question *part, bool pending, const char *rejected)
{
    struct lam_question *question = part->parent;
    struct lam_openai_map *map = question->map;

    map->pending |= pending;
    if (rejected && !map->rejected && !(map->rejected = strdup(rejected)))
        map->pending = true; /* without memory for the reason it is not known that it was bad */
    question->requests += part->requests;
    question->tokens_in += part->tokens_in;
    question->tokens_out += part->tokens_out;
    question->cost += part->cost;
    if (!--map->left)
        finish(o, question);
}

int lam_long_take(struct lam_openai *o, struct lam_question *part, struct lam_error *err)
{
    struct lam_sv summary = lam_json_string(o->value, lam_json_find(o->value, LAM_JSON_ROOT, LAM_SV("/answer/summary")));

    part->parent->map->summaries[part->index] = strndup(summary.len ? summary.ptr : "", summary.len);
    return part->parent->map->summaries[part->index] ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a summary");
}

static struct lam_question *next_part(struct lam_openai *o, struct lam_question *question, struct lam_sv *rest, size_t index)
{
    struct lam_question *part = calloc(1, sizeof *part);
    size_t len;

    if (!part)
        return NULL;
    part->doc = question->doc;
    part->ask = (uint32_t)o->asks.part;
    part->tier = question->tier;
    part->parent = question;
    part->index = index;
    len = lam_token_cut(*rest, lam_question_room(o, part)).len;
    if (len && len < rest->len)
        len = lam_question_cut_before(*rest, len);
    part->text = lam_sv(rest->ptr, len ? len : rest->len);
    part->guess = lam_token_guess(part->text);
    *rest = lam_sv(rest->ptr + part->text.len, rest->len - part->text.len);
    return part;
}

static int begin(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    struct lam_sv rest = question->doc->text;
    struct lam_question *parts[PARTS_MAX];
    size_t count = 0;
    int rc = 0;

    if (!(question->map = calloc(1, sizeof *question->map)) || !(question->map->summaries = calloc(PARTS_MAX, sizeof *question->map->summaries))) {
        lam_question_pending(o, question);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a long document");
    }
    while (rest.len && count < PARTS_MAX && (parts[count] = next_part(o, question, &rest, count)))
        count++;
    if (rest.len && count < PARTS_MAX)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a part of a long document");
    question->map->pending = rc != 0;
    question->seen = question->doc->text.len - rest.len;
    question->map->count = count;
    question->map->left = count + 1; /* one more, so that parts from the cache do not end it before all are asked */
    for (size_t i = 0; i < count; i++)
        if (rc)
            lam_question_pending(o, parts[i]);
        else
            rc = lam_question_ask(o, parts[i], err);
    if (!--question->map->left)
        finish(o, question);
    return rc;
}

int lam_question_ready(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    if (o->estimating)
        return lam_question_estimate(o, question, err);
    if (question->mapped && !question->map && !question->cut)
        return begin(o, question, err);
    lam_question_push(o, question);
    return 0;
}
