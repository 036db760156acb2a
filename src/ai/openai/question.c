/* Questions: from the row to the cache, to what is already under way, to the queue; and from an answer back into the row. */
#include "own.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema.h"

#define TEXT_MAX ((size_t)64 << 20) /* bytes of a row's entities */
#define MARGIN 64u /* tokens that are left free in a context, for marks and what the estimate misses */

void lam_question_push(struct lam_openai *o, struct lam_question *question)
{
    struct lam_question_queue *queue = &o->ready[question->ask][question->tier];

    if (!queue->end || !queue->first)
        queue->end = &queue->first;
    question->next = NULL;
    *queue->end = question;
    queue->end = &question->next;
    queue->count++;
    queue->guess += question->guess;
}

struct lam_question *lam_question_pop(struct lam_question_queue *queue)
{
    struct lam_question *question = queue->first;

    if (question) {
        queue->first = question->next;
        if (!queue->first)
            queue->end = &queue->first;
        queue->count--;
        queue->guess -= question->guess;
        question->next = NULL;
    }
    return question;
}

static void question_free(struct lam_question *question)
{
    lam_long_free(question);
    free(question->owned);
    free(question->bad);
    free(question);
}

/* --- what is under way --- */

static struct lam_question **bucket(struct lam_openai *o, struct lam_digest key)
{
    uint32_t hash;

    memcpy(&hash, key.bytes, sizeof hash);
    return &o->flight[hash % LAM_FLIGHT_BUCKETS];
}

static struct lam_question *find_flight(struct lam_openai *o, const struct lam_question *question)
{
    struct lam_question *other = *bucket(o, question->key);

    while (other && !lam_digest_eq(other->key, question->key))
        other = other->chain;
    return other;
}

static void list_flight(struct lam_openai *o, struct lam_question *question)
{
    struct lam_question **head = bucket(o, question->key);

    question->chain = *head;
    *head = question;
    question->listed = true;
}

static void unlist_flight(struct lam_openai *o, struct lam_question *question)
{
    struct lam_question **link = bucket(o, question->key);

    lam_leave_end(o, question);
    if (!question->listed)
        return;
    while (*link != question)
        link = &(*link)->chain;
    *link = question->chain;
    question->listed = false;
}

/* --- what is asked --- */

/* The place in text at or before `at` where a paragraph, else a line, else a sentence, else a word ends; not before half of it. */
size_t lam_question_cut_before(struct lam_sv text, size_t at)
{
    static const char *const ends[] = {"\n\n", "\n", ". ", " ", NULL};
    size_t least = at / 2;

    for (const char *const *end = ends; *end; end++)
        for (size_t i = at, len = strlen(*end); i > least && i >= len; i--)
            if (!memcmp(text.ptr + i - len, *end, len))
                return i;
    return at;
}

/* The text's beginning and end within so many tokens, cut where something ends: what a document is about stands at its edges. */
int lam_question_shorten(struct lam_openai *o, struct lam_question *question, uint32_t tokens, struct lam_error *err)
{
    static const char gap[] = "\n\n[...]\n\n";
    struct lam_sv whole = question->doc->text, head, tail;
    uint32_t tail_tokens = tokens / 4;
    size_t from;
    char *joined;

    if (question->parent) { /* a part has a neighbour at its end, and no tail of its own */
        question->text = lam_token_cut(question->text, tokens);
        question->guess = lam_token_guess(question->text);
        return 0;
    }
    head = lam_token_cut(whole, tokens - tail_tokens);
    head.len = lam_question_cut_before(whole, head.len);
    from = whole.len > head.len ? whole.len - (size_t)((double)head.len * tail_tokens / (tokens - tail_tokens + 1)) : whole.len;
    if (from < head.len)
        from = head.len;
    while (from < whole.len && whole.ptr[from] != ' ' && whole.ptr[from] != '\n') /* begins with a word */
        from++;
    tail = lam_token_cut(lam_sv(whole.ptr + from, whole.len - from), tail_tokens);
    if (!(joined = malloc(head.len + sizeof gap + tail.len)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a question");
    memcpy(joined, whole.ptr, head.len);
    memcpy(joined + head.len, gap, sizeof gap - 1);
    if (tail.len)
        memcpy(joined + head.len + sizeof gap - 1, tail.ptr, tail.len);
    free(question->owned);
    question->owned = joined;
    question->text = lam_sv(joined, head.len + sizeof gap - 1 + tail.len);
    question->seen = head.len + tail.len;
    question->guess = lam_token_guess(question->title) + lam_token_guess(question->text);
    question->cut = true;
    o->stats.cut += !question->doc->cut;
    question->doc->cut = true;
    return 0;
}

/* Tokens that a document may have beside the prompt and its answer, as guessed. */
uint32_t lam_question_room(const struct lam_openai *o, const struct lam_question *question)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    const struct lam_token_estimate *tokens = &o->tokens[question->tier];
    bool embeds = lam_ask_embeds(o, question->ask);
    uint32_t taken = lam_token_correct(tokens, ask->guess[0]) + ask->answer_tokens + MARGIN, context = o->context[question->tier];
    double factor = tokens->factor > 0 ? tokens->factor : 1.1; /* careful until something was counted */

    if (embeds)
        return (uint32_t)(o->embed_context / (o->embed_tokens.factor > 0 ? o->embed_tokens.factor : 1.1));
    return context > taken ? (uint32_t)((context - taken) / factor) : 16;
}

static int shorten_to_room(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    uint32_t all = lam_question_room(o, question), title = lam_token_guess(question->title);

    return lam_question_shorten(o, question, all > title + 16 ? all - title : 16, err);
}

static int make_key(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    int rc;

    lam_buf_clear(&o->scratch); /* the whole text: where it is cut follows from what was learned of tokens, and may be another place tomorrow */
    if (question->parent)
        rc = lam_buf_add_sv(&o->scratch, question->text, err);
    else if (!(rc = lam_buf_add_sv(&o->scratch, question->doc->title, err)) && !(rc = lam_buf_add(&o->scratch, "\0", 1, err)))
        rc = lam_buf_add_sv(&o->scratch, question->doc->text, err);
    if (rc)
        return rc;
    question->key = lam_cache_key(&o->asks.items[question->ask].scope[question->tier], lam_buf_sv(&o->scratch));
    return 0;
}

/* Parses a value that is to be the question's answer into o->value. LAM_E_INVALID: it is none; the question is as it was. */
int lam_question_read(struct lam_openai *o, const struct lam_question *question, struct lam_sv value, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    int rc = lam_json_parse(o->value, value, err);

    if (!rc && lam_ask_embeds(o, question->ask))
        rc = lam_embed_check(o, err);
    else if (!rc)
        rc = lam_llm_schema_check(ask->check, LAM_JSON_ROOT, o->value, lam_json_field(o->value, LAM_JSON_ROOT, LAM_SV("answer")), false, err);
    return rc && rc != LAM_E_MEMORY ? LAM_PASS(err, LAM_E_INVALID, "it cannot be kept") : rc;
}

/* It cannot go on: its row waits for the next run. Returns rc. */
static int leave(struct lam_openai *o, struct lam_question *question, int rc)
{
    lam_question_pending(o, question);
    return rc;
}

typedef int cache_get(struct lam_cache *cache, struct lam_digest key, struct lam_buf *value, struct lam_cache_meta *meta, struct lam_error *err);

/* Is the answer in the cache? Then the question has ended, with *rc. */
static bool take_kept(struct lam_openai *o, struct lam_question *question, cache_get *get, int *rc, struct lam_error *err)
{
    struct lam_cache_meta meta;

    lam_buf_clear(&o->scratch2);
    if (!o->options.cache || get(o->options.cache, question->key, &o->scratch2, &meta, NULL))
        return false;
    if ((*rc = lam_question_read(o, question, lam_buf_sv(&o->scratch2), err)) == LAM_E_INVALID)
        return false; /* of another format: asked again */
    if (!question->parent)
        question->doc->sub->estimate.hits++;
    *rc = *rc ? leave(o, question, *rc) : lam_question_deliver(o, question, lam_buf_sv(&o->scratch2), err);
    o->stats.hits++;
    o->stats.saved_in += meta.tokens_in;
    o->stats.saved_out += meta.tokens_out;
    return true;
}

/* To the cache, to one that is under way, or to the queue. The question has its text; from here on it ends by itself, with an error too. */
int lam_question_ask(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    struct lam_question *other;
    int rc = make_key(o, question, err);

    if (rc)
        return leave(o, question, rc);
    if ((other = find_flight(o, question))) {
        question->next = other->waiters;
        other->waiters = question;
        o->stats.shared++;
        question->doc->sub->estimate.repeats++;
        return 0;
    }
    if (take_kept(o, question, lam_cache_get, &rc, err))
        return rc;
    list_flight(o, question);
    return lam_leave_ask(o, question, err);
}

int lam_question_again(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    int rc;

    if (take_kept(o, question, lam_cache_get_fresh, &rc, err))
        return rc;
    if (o->estimating) { /* nobody asked; but it is counted */
        question->doc->sub->estimate.repeats++;
        return leave(o, question, 0);
    }
    if ((rc = o->options.leave_done(o->options.arg, question->key, false, err))) /* it is said to be there, and is not */
        return leave(o, question, rc);
    return lam_leave_ask(o, question, err);
}

/* One more question that the document waits for. Without memory for it the document stays pending. */
static int start(struct lam_openai *o, struct lam_openai_doc *doc, uint32_t ask_index, uint32_t tier, struct lam_error *err)
{
    struct lam_question *question = calloc(1, sizeof *question);
    int rc = 0;

    if (!question) {
        doc->pending = true;
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a question");
    }
    doc->left++;
    doc->sub->estimate.questions++;
    question->doc = doc;
    question->ask = ask_index;
    question->tier = tier;
    question->title = doc->title;
    question->text = doc->text;
    question->seen = question->text.len;
    question->guess = lam_token_guess(question->title) + lam_token_guess(question->text);
    if (question->guess > lam_question_room(o, question)) {
        question->mapped = lam_long_maps(o, question);
        rc = question->mapped ? 0 : shorten_to_room(o, question, err);
    }
    return rc ? leave(o, question, rc) : lam_question_ask(o, question, err);
}

static int add_step(struct lam_openai_doc *doc, const char *model, struct lam_sv category, double confidence, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(&doc->steps, err, "%s{\"model\":", doc->steps.len ? "," : "")) || (rc = lam_buf_add_json(&doc->steps, lam_sv_of(model), err)) ||
        (rc = lam_buf_addf(&doc->steps, err, ",\"category\":")) || (rc = lam_buf_add_json(&doc->steps, category, err)))
        return rc;
    return lam_buf_addf(&doc->steps, err, ",\"confidence\":%.4f}", confidence);
}

/* Title and text without what the job masks: nothing else of a row is sent. */
static int mask(struct lam_openai *o, struct lam_openai_doc *doc, struct lam_error *err)
{
    const struct lam_record *rec = &doc->row->rec;
    struct lam_sv title, text;
    int rc;

    doc->title = rec->title;
    doc->text = rec->text;
    if (!o->options.redactor)
        return 0;
    if ((rc = lam_redact_text(o->options.redactor, rec->title, lam_sv("", 0), &title, err)))
        return rc;
    if (!(doc->masked = malloc(title.len + 1)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a masked text");
    if (title.len)
        memcpy(doc->masked, title.ptr, title.len);
    if ((rc = lam_redact_text(o->options.redactor, rec->text, doc->row->enr.entities, &text, err)))
        return rc;
    title.ptr = realloc(doc->masked, title.len + text.len + 1);
    if (!title.ptr)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a masked text");
    doc->masked = (char *)(uintptr_t)title.ptr;
    if (text.len)
        memcpy(doc->masked + title.len, text.ptr, text.len);
    doc->title = title;
    doc->text = lam_sv(doc->masked + title.len, text.len);
    return 0;
}

/* Step 0 of a cascade that begins with builtin: its answer stands in the row. *sure: no model is asked. */
static int take_builtin(struct lam_openai *o, struct lam_openai_doc *doc, bool *sure, struct lam_error *err)
{
    const struct lam_enrichment *enr = &doc->row->enr;
    double confidence = enr->category.len ? (double)enr->confidence : 0;

    doc->category = enr->category;
    *sure = confidence >= o->job->deep.cascade[0].accept;
    o->stats.steps[0] += *sure;
    return add_step(doc, "builtin", enr->category, confidence, err);
}

int lam_question_start_doc(struct lam_openai *o, struct lam_openai_doc *doc, struct lam_error *err)
{
    bool sure = false;
    int rc = mask(o, doc, err);

    doc->left = 1; /* so that answers from the cache do not end it before all was asked */
    if (!rc && o->builtin_first)
        rc = take_builtin(o, doc, &sure, err);
    for (uint32_t i = 0; !rc && !sure && i < o->asks.count; i++)
        if (o->asks.items[i].tasks)
            rc = start(o, doc, i, 0, err);
    doc->sub->estimate.records += !sure;
    doc->sub->estimate.decided += sure;
    doc->pending |= rc != 0; /* it comes back all the same */
    if (!--doc->left)
        lam_openai_doc_end(o, doc);
    return rc;
}

/* --- what comes back --- */

/* The answer and where it came from, as the cache keeps it. */
int lam_question_value(struct lam_openai *o, const struct lam_question *question, struct lam_sv answer, double certainty, struct lam_sv model, struct lam_buf *out,
                       struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"answer\":")) || (rc = lam_buf_add_sv(out, answer, err)) ||
        (rc = isnan(certainty) ? 0 : lam_buf_addf(out, err, ",\"certainty\":%.6f", certainty)) ||
        (rc = lam_buf_addf(out, err, ",\"trace\":{\"ask\":\"%s\",\"model\":", ask->name)) || (rc = lam_buf_add_json(out, model, err)) ||
        (rc = lam_buf_addf(out, err, ",\"prompt\":\"%s\",\"version\":%" PRIu32 ",\"requests\":%u,\"tokens_in\":%" PRIu32 ",\"tokens_out\":%" PRIu32, ask->digest, ask->version,
                           question->requests, question->tokens_in, question->tokens_out)) ||
        (rc = question->cost > 0 ? lam_buf_addf(out, err, ",\"cost\":%.8g", question->cost) : 0) ||
        (rc = question->cut ? lam_buf_addf(out, err, ",\"seen\":{\"bytes\":%zu,\"of\":%zu}", question->seen, question->doc->text.len) : 0))
        return rc;
    return lam_buf_addf(out, err, "}}");
}

/* A question has its end, and is freed: its document waits for one less; a part's parent does. */
static void end(struct lam_openai *o, struct lam_question *question, bool pending, const char *rejected)
{
    struct lam_openai_doc *doc = question->doc;

    if (question->parent)
        lam_long_end(o, question, pending, rejected);
    else if (!--doc->left)
        lam_openai_doc_end(o, doc);
    question_free(question);
}

/* Does the category of this answer stand, or is the next step to be asked? */
static bool stands(const struct lam_openai *o, const struct lam_question *question, struct lam_sv category, double confidence)
{
    size_t step = question->tier + o->builtin_first;

    if (!(o->asks.items[question->ask].tasks & LAM_TASK_CLASSIFY) || step + 1 >= o->job->deep.cascade_count)
        return true;
    return confidence >= o->job->deep.cascade[step].accept && (!question->doc->category.len || lam_sv_eq(category, question->doc->category));
}

/* Entities that the model was not shown stay with the row: by them it is masked wherever it is shown. */
static int keep_masked(struct lam_openai *o, struct lam_openai_doc *doc, struct lam_sv before, struct lam_error *err)
{
    struct lam_buf all;
    char *kept;
    int rc;

    if (!o->options.redactor || !before.len)
        return 0;
    lam_buf_init(&all, TEXT_MAX);
    if (!(rc = lam_redact_keep(o->options.redactor, before, doc->row->enr.entities, &all, err))) {
        if ((kept = lam_block_alloc(doc->sub->block, all.len))) {
            memcpy(kept, all.ptr, all.len);
            doc->row->enr.entities = lam_sv(kept, all.len);
        } else {
            rc = LAM_FAIL(err, LAM_E_LIMIT, "the block is full");
        }
    }
    lam_buf_release(&all);
    return rc;
}

/* Where the answer in o->value came from, for the row. A batch's file does not say what was asked; the key under which it was found does. */
static int add_trace(struct lam_openai *o, const struct lam_question *question, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    uint32_t trace = lam_json_field(o->value, LAM_JSON_ROOT, LAM_SV("trace"));
    struct lam_json_iter iter = lam_json_iter(o->value, trace);
    struct lam_buf *out = &question->doc->asks;
    struct lam_sv said = lam_json_raw(o->value, trace);
    int rc = out->len ? lam_buf_add(out, ",", 1, err) : 0;

    if (rc || lam_json_field(o->value, trace, LAM_SV("ask")) != LAM_JSON_NONE)
        return rc ? rc : lam_buf_add_sv(out, said, err);
    if ((rc = lam_buf_addf(out, err, "{\"ask\":\"%s\",\"prompt\":\"%s\",\"version\":%" PRIu32, ask->name, ask->digest, ask->version)))
        return rc;
    if (lam_json_type(o->value, trace) != LAM_JSON_OBJECT || !lam_json_next(&iter))
        return lam_buf_add(out, "}", 1, err);
    return (rc = lam_buf_add(out, ",", 1, err)) ? rc : lam_buf_add_sv(out, lam_sv(said.ptr + 1, said.len - 1), err);
}

/* Puts the value that stands in o->value into the question's row. */
static int apply(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    const struct lam_ask *ask = &o->asks.items[question->ask];
    struct lam_openai_doc *doc = question->doc;
    uint32_t answer = lam_json_field(o->value, LAM_JSON_ROOT, LAM_SV("answer"));
    double certainty = NAN, confidence;
    struct lam_sv before = doc->row->enr.entities;
    struct lam_number number;
    int rc;

    if (lam_json_number(o->value, lam_json_field(o->value, LAM_JSON_ROOT, LAM_SV("certainty")), &number))
        certainty = lam_number_as_double(&number);
    rc = lam_ask_embeds(o, question->ask) ? lam_embed_apply(o, question, err)
                                          : lam_llm_answer_apply(&o->job->tasks, ask->tasks, o->value, answer, certainty, doc->sub->block, doc->row, err);
    if (!rc && ask->tasks & LAM_TASK_ENTITIES)
        rc = keep_masked(o, doc, before, err);
    if (rc || (rc = add_trace(o, question, err)))
        return rc;
    doc->tokens += lam_llm_count(o->value, "/trace/tokens_in") + lam_llm_count(o->value, "/trace/tokens_out");
    if (ask->version > doc->version)
        doc->version = ask->version;
    if (!(ask->tasks & LAM_TASK_CLASSIFY) || !o->job->deep.cascade_count)
        return 0;
    confidence = lam_llm_answer_confidence(o->value, answer, certainty);
    if ((rc = add_step(doc, o->job->deep.cascade[question->tier + o->builtin_first].model, doc->row->enr.category, confidence, err)))
        return rc;
    if (stands(o, question, doc->row->enr.category, confidence)) {
        o->stats.steps[question->tier + o->builtin_first]++;
        return 0;
    }
    doc->category = doc->row->enr.category;
    return start(o, doc, question->ask, question->tier + 1, err);
}

/*
 * The answer that stands in o->value, to the question and to all that wait with it. A row whose block has no room for it is pending. After an error those
 * without it are: all of them end.
 */
int lam_question_deliver(struct lam_openai *o, struct lam_question *question, struct lam_sv value, struct lam_error *err)
{
    struct lam_question *waiter;
    struct lam_buf copy;
    int rc = 0;

    unlist_flight(o, question);
    lam_buf_init(&copy, LAM_CACHE_VALUE_MAX);
    if (question->waiters || o->job->deep.cascade_count) /* the next step of a cascade may read another one meanwhile */
        rc = lam_buf_add_sv(&copy, value, err);
    for (; question; question = waiter) {
        waiter = question->waiters;
        if (waiter && waiter->next)
            waiter->waiters = waiter->next; /* one after the other: each heads the rest */
        if (!rc)
            rc = question->parent ? lam_long_take(o, question, err) : apply(o, question, err);
        if (rc && !question->parent)
            question->doc->pending = true;
        end(o, question, rc != 0, NULL);
        rc = rc == LAM_E_LIMIT ? 0 : rc;
        if (waiter)
            waiter->next = NULL;
        if (waiter && !rc)
            rc = lam_json_parse(o->value, lam_buf_sv(&copy), err);
    }
    lam_buf_release(&copy);
    return rc == LAM_E_INVALID ? LAM_FAIL(err, LAM_E_CORRUPT, "an answer that was checked cannot be read again") : rc;
}

void lam_question_pending(struct lam_openai *o, struct lam_question *question)
{
    unlist_flight(o, question);
    for (struct lam_question *waiter; question; question = waiter) {
        waiter = question->waiters;
        if (waiter && waiter->next)
            waiter->waiters = waiter->next;
        if (!question->parent)
            question->doc->pending = true;
        end(o, question, true, NULL);
    }
}

void lam_question_reject(struct lam_openai *o, struct lam_question *question, const char *reason)
{
    unlist_flight(o, question);
    for (struct lam_question *waiter; question; question = waiter) {
        struct lam_openai_doc *doc = question->doc;

        waiter = question->waiters;
        if (waiter && waiter->next)
            waiter->waiters = waiter->next;
        if (!question->parent && !doc->rejected) {
            doc->rejected = true;
            doc->reason = strdup(reason);
            doc->raw = question->bad ? strdup(question->bad) : NULL;
        }
        if (waiter && !waiter->bad && question->bad)
            waiter->bad = strdup(question->bad);
        end(o, question, false, reason);
    }
}
