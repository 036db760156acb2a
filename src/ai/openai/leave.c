/*
 * Leave to ask: two ranks that want the same answer ask for it once. Before a question goes to a model its key's owner is asked; who is not the first waits
 * until the first one's answer is durable in the cache, and reads it there.
 */
#include "own.h"

#include <stdlib.h>

static bool single(const struct lam_openai *o) { return !o->options.ask_leave || !o->options.cache; }

int lam_leave_open(struct lam_openai *o, struct lam_error *err)
{
    o->asking = calloc(LAM_FLIGHT_BUCKETS, sizeof *o->asking);
    o->flushes = calloc(1, sizeof *o->flushes);
    if (!o->asking || !o->flushes)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the analyzer");
    pthread_mutex_init(&o->flushes->lock, NULL);
    o->flushes->refs = 1;
    o->flushes->wake = o->options.wake;
    return 0;
}

static void unref(struct lam_openai_flushes *list)
{
    bool last;

    pthread_mutex_lock(&list->lock);
    last = --list->refs == 0;
    pthread_mutex_unlock(&list->lock);
    if (!last)
        return;
    while (list->first) {
        struct lam_openai_flushed *flushed = list->first;

        list->first = flushed->next;
        free(flushed);
    }
    pthread_mutex_destroy(&list->lock);
    free(list);
}

void lam_leave_close(struct lam_openai *o)
{
    if (o->flushes)
        unref(o->flushes);
    free(o->asking);
}

/* --- asking --- */

int lam_leave_ask(struct lam_openai *o, struct lam_question *question, struct lam_error *err)
{
    struct lam_question **head;

    if (single(o))
        return lam_question_ready(o, question, err);
    question->token = ++o->last_token;
    head = &o->asking[question->token % LAM_FLIGHT_BUCKETS];
    question->next = *head;
    *head = question;
    o->asking_count++;
    return o->options.ask_leave(o->options.arg, question->key, question->token, err);
}

void lam_openai_heard(struct lam_openai *o, uint64_t token, bool granted)
{
    struct lam_question **link = &o->asking[token % LAM_FLIGHT_BUCKETS], *question;
    struct lam_error err;
    int rc;

    while (*link && (*link)->token != token)
        link = &(*link)->next;
    if (!(question = *link))
        return; /* heard before, or dropped: a grant that nobody uses runs out */
    *link = question->next;
    o->asking_count--;
    question->next = NULL;
    question->granted = granted;
    rc = granted ? lam_question_ready(o, question, &err) : lam_question_again(o, question, &err);
    if (rc && !o->failed.code)
        o->failed = err;
    if (o->options.wake)
        lam_wake_signal(o->options.wake);
}

/* --- and telling --- */

void lam_leave_end(struct lam_openai *o, struct lam_question *question)
{
    struct lam_error err;

    if (question->granted && o->options.leave_done(o->options.arg, question->key, false, &err))
        lam_log_warn(o->options.log, "llm", "other ranks wait for their answers longer: %s", err.text);
    question->granted = false;
}

/* On the cache's thread. */
static void on_flushed(void *arg, int rc, const struct lam_error *err)
{
    struct lam_openai_flushed *flushed = arg;
    struct lam_openai_flushes *list = flushed->list;

    (void)err;
    flushed->durable = rc == 0;
    pthread_mutex_lock(&list->lock);
    flushed->next = list->first;
    list->first = flushed;
    pthread_mutex_unlock(&list->lock);
    if (list->wake)
        lam_wake_signal(list->wake);
    unref(list);
}

static struct lam_openai_flushed *cookie(struct lam_openai *o, const struct lam_question *question)
{
    struct lam_openai_flushed *flushed = question->granted ? calloc(1, sizeof *flushed) : NULL;

    if (!flushed)
        return NULL;
    flushed->list = o->flushes;
    flushed->key = question->key;
    pthread_mutex_lock(&o->flushes->lock);
    o->flushes->refs++;
    pthread_mutex_unlock(&o->flushes->lock);
    return flushed;
}

void lam_leave_keep(struct lam_openai *o, struct lam_question *question, struct lam_sv value, const struct lam_cache_meta *meta)
{
    struct lam_openai_flushed *flushed;
    struct lam_error why;
    int rc;

    if (!o->options.cache)
        return;
    flushed = cookie(o, question);
    rc = lam_cache_put(o->options.cache, question->key, value, meta, flushed ? on_flushed : NULL, flushed, &why);
    if (rc == LAM_PENDING) { /* more waits than may: rare, and then the disk is what all wait for */
        lam_cache_flush(o->options.cache, &why);
        rc = lam_cache_put(o->options.cache, question->key, value, meta, flushed ? on_flushed : NULL, flushed, &why);
    }
    if (!rc) {
        question->granted &= !flushed; /* without memory for word of it, it ended without an answer as far as others know */
        return;
    }
    lam_log_warn(o->options.log, "llm", "an answer could not be kept: %s", rc == LAM_PENDING ? "too many wait for the disk" : why.text);
    if (flushed) {
        free(flushed);
        unref(o->flushes);
    }
}

int lam_leave_step(struct lam_openai *o, struct lam_error *err)
{
    struct lam_openai_flushed *flushed, *next;
    int rc = 0;

    pthread_mutex_lock(&o->flushes->lock);
    flushed = o->flushes->first;
    o->flushes->first = NULL;
    pthread_mutex_unlock(&o->flushes->lock);
    for (; flushed; flushed = next) {
        next = flushed->next;
        if (!rc)
            rc = o->options.leave_done(o->options.arg, flushed->key, flushed->durable, err);
        free(flushed);
    }
    return rc;
}

void lam_leave_drop(struct lam_openai *o)
{
    for (size_t i = 0; o->asking && i < LAM_FLIGHT_BUCKETS; i++)
        while (o->asking[i]) {
            struct lam_question *question = o->asking[i];

            o->asking[i] = question->next;
            o->asking_count--;
            question->next = NULL;
            lam_question_pending(o, question);
        }
}
