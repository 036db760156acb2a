#include "train_parts.h"

#include <math.h>
#include <stdlib.h>

#include "builtin.h"
#include "fmath.h"

#include "base/utf8.h"

#define MAX_FEATURES 65536u
#define MAX_ENTRIES ((size_t)16 << 20)
#define MAX_WEIGHTS ((size_t)16 << 20) /* features times labels */
#define MAX_WORK 300000000u            /* lam_training_work: with thousands of labels the sample is smaller */
#define MAX_PRIORS ((size_t)32 << 20)  /* documents times labels */
#define COUNTERS ((size_t)1 << 22)     /* slots of the counting map, 64 MiB */

/* In how many documents a feature is; a slot is free where documents is 0. */
struct counter {
    uint64_t hash;
    uint32_t documents, last; /* last document + 1 */
};

struct counters {
    struct counter *slots;
    size_t mask, used;
};

/* What reading a document needs. */
struct reader {
    struct lam_lexicon lexicon;
    struct lam_tokens tokens;
    struct lam_features features;
    struct lam_label_words words;
};

static int reader_init(struct reader *reader, const struct lam_tasks *tasks, struct lam_error *err)
{
    int rc;

    *reader = (struct reader){0};
    if ((rc = lam_lexicon_init(&reader->lexicon, err)))
        return rc;
    lam_tokens_init(&reader->tokens, &reader->lexicon);
    return lam_label_words_init(&reader->words, tasks->labels, tasks->label_count, &reader->tokens, err);
}

static void reader_release(struct reader *reader)
{
    lam_label_words_release(&reader->words);
    lam_features_release(&reader->features);
    lam_tokens_release(&reader->tokens);
    lam_lexicon_release(&reader->lexicon);
}

static int read_doc(struct reader *reader, const struct lam_builtin_doc *doc, struct lam_error *err)
{
    int rc = lam_tokens_read(&reader->tokens, lam_utf8_cut(doc->title, LAM_BUILTIN_TITLE_MAX),
                             lam_utf8_cut(doc->text, LAM_BUILTIN_TEXT_MAX), err);

    return rc ? rc : lam_features_read(&reader->features, &reader->tokens, err);
}

static struct counter *find(struct counters *counters, uint64_t hash)
{
    size_t at = hash & counters->mask;

    while (counters->slots[at].documents && counters->slots[at].hash != hash)
        at = (at + 1) & counters->mask;
    return &counters->slots[at];
}

/* A larger map, up to COUNTERS; from there on what was seen in one document alone is forgotten. */
static int regrow(struct counters *counters, struct lam_error *err)
{
    struct counters grown = {.mask = counters->mask + 1 < COUNTERS ? 2 * counters->mask + 1 : counters->mask};
    bool forget = grown.mask == counters->mask;

    if (!(grown.slots = calloc(grown.mask + 1, sizeof *grown.slots)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to count %zu features", grown.mask + 1);
    for (size_t i = 0; i <= counters->mask; i++)
        if (counters->slots[i].documents > (forget ? 1u : 0u)) {
            *find(&grown, counters->slots[i].hash) = counters->slots[i];
            grown.used++;
        }
    free(counters->slots);
    *counters = grown;
    return 0;
}

static int count_features(struct counters *counters, struct reader *reader, const struct lam_builtin_doc *docs, size_t count,
                          const struct lam_builtin_training *options, struct lam_error *err)
{
    int rc = 0;

    for (size_t d = 0; d < count && !rc; d++) {
        if (d % 256 == 0 && options->stop && options->stop(options->arg))
            return LAM_FAIL(err, LAM_E_CANCELLED, "training was stopped");
        rc = read_doc(reader, &docs[d], err);
        for (size_t i = 0; i < reader->features.count && !rc; i++) {
            struct counter *counter = find(counters, reader->features.hashes[i]);

            if (!counter->documents) {
                counter->hash = reader->features.hashes[i];
                counters->used++;
            }
            counter->documents += counter->last != (uint32_t)d + 1;
            counter->last = (uint32_t)d + 1;
            if (counters->used * 4 > (counters->mask + 1) * 3)
                rc = regrow(counters, err);
        }
        if (!rc && counters->used * 4 > (counters->mask + 1) * 3)
            return LAM_FAIL(err, LAM_E_LIMIT, "more than %zu features in two documents or more", COUNTERS * 3 / 4);
    }
    return rc;
}

/* Words of the labels (last is 1) first, then what more documents have. */
static int more_useful(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;

    if (x->last != y->last)
        return x->last > y->last ? -1 : 1;
    if (x->documents != y->documents)
        return x->documents > y->documents ? -1 : 1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int by_hash(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* The features worth keeping, moved to the front of slots, ascending by hash. Words of the labels are, however rare. */
static uint32_t choose(struct counters *counters, const struct lam_label_words *words, size_t count, size_t labels,
                       const struct lam_builtin_training *options)
{
    size_t kept = 0, most = options->max_features ? options->max_features : MAX_FEATURES;
    uint32_t least = count >= 300 ? 3 : count >= 20 ? 2 : 1;

    if (most > MAX_WEIGHTS / labels)
        most = MAX_WEIGHTS / labels;
    for (size_t i = 0; i <= counters->mask; i++) {
        struct counter counter = counters->slots[i];

        if (!counter.documents)
            continue;
        counter.last = lam_label_words_find(words, counter.hash) != NULL;
        if (counter.last || counter.documents >= least)
            counters->slots[kept++] = counter;
    }
    qsort(counters->slots, kept, sizeof *counters->slots, more_useful);
    kept = kept < most ? kept : most;
    qsort(counters->slots, kept, sizeof *counters->slots, by_hash);
    return (uint32_t)kept;
}

static int make_classifier(const struct lam_tasks *tasks, const struct counters *counters, uint32_t features, size_t documents,
                           struct lam_builtin_model *model, struct lam_error *err)
{
    size_t names_len = 0, at = 0;
    int rc;

    for (size_t i = 0; i < tasks->label_count; i++)
        names_len += tasks->labels[i].name.len + 1;
    if ((rc = lam_builtin_classifier_new(model, (uint32_t)tasks->label_count, features, names_len, err)))
        return rc;
    for (size_t i = 0; i < tasks->label_count; i++) {
        struct lam_sv name = tasks->labels[i].name;

        memcpy(model->names + at, name.ptr, name.len);
        model->labels[i] = lam_sv(model->names + at, name.len);
        at += name.len + 1;
    }
    for (uint32_t i = 0; i < features; i++) {
        model->hashes[i] = counters->slots[i].hash;
        model->idf[i] = (float)(1 + lam_log((1 + (double)documents) / (1 + (double)counters->slots[i].documents)));
    }
    lam_builtin_classifier_index(model);
    return 0;
}

static int room(struct lam_training_set *set, size_t more, struct lam_error *err)
{
    size_t cap = set->entry_cap ? set->entry_cap : 65536;
    uint32_t *columns;
    float *values;

    if (set->entry_count + more <= set->entry_cap)
        return 0;
    while (cap < set->entry_count + more)
        cap *= 2;
    columns = realloc(set->columns, cap * sizeof *columns);
    set->columns = columns ? columns : set->columns;
    values = realloc(set->values, cap * sizeof *values);
    set->values = values ? values : set->values;
    if (!columns || !values)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for %zu features of the sample", cap);
    set->entry_cap = cap;
    return 0;
}

/* Marks the labels' words and the pairs that they are in. hashes is word, word, pair, word, pair … */
static void mark_named(struct lam_training_set *set, const struct reader *reader, const struct lam_builtin_model *model)
{
    bool before = false, now = false;

    for (size_t i = 0; i < reader->features.count; i++) {
        bool is_pair = i > 0 && i % 2 == 0;
        uint32_t feature = lam_builtin_model_find(model, reader->features.hashes[i]);

        if (!is_pair) {
            before = now;
            now = lam_label_words_find(&reader->words, reader->features.hashes[i]) != NULL;
        }
        if (feature != UINT32_MAX && (now || (is_pair && before)))
            set->named[feature] = 1;
    }
}

static int add_row(struct lam_training_set *set, struct reader *reader, const struct lam_builtin_model *model, double *prior,
                   struct lam_error *err)
{
    struct lam_features *features = &reader->features;
    size_t d = set->count;
    double best, second;
    int rc;

    mark_named(set, reader, model); /* before hashes are used for something else */
    if ((rc = lam_features_weigh(features, &reader->tokens, model, err)) || (rc = room(set, features->found_count, err)))
        return rc;
    for (size_t i = 0; i < features->found_count; i++) {
        set->columns[set->entry_count] = features->found[i];
        set->values[set->entry_count++] = features->values[features->found[i]];
    }
    set->starts[d + 1] = set->entry_count;
    best = second = 0;
    set->strength[d] = (float)lam_label_prior(&reader->words, &reader->tokens, features, model, prior);
    for (uint32_t k = 0; k < set->label_count; k++) {
        set->prior[d * set->label_count + k] = (float)prior[k];
        second = prior[k] > best ? best : prior[k] > second ? prior[k] : second;
        best = prior[k] > best ? prior[k] : best;
    }
    set->strength[d] *= (float)(best - second);
    lam_features_forget(features);
    set->count++;
    return 0;
}

static int fill_rows(struct lam_training_set *set, struct reader *reader, const struct lam_builtin_doc *docs, size_t count,
                     const struct lam_builtin_training *options, const struct lam_builtin_model *model, struct lam_error *err)
{
    size_t most = options->max_entries ? options->max_entries : MAX_ENTRIES;
    double *prior = calloc(set->label_count, sizeof *prior);
    int rc = prior ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u labels", set->label_count);

    for (size_t d = 0; d < count && !rc; d++) {
        if (set->entry_count >= most || lam_training_work(set->entry_count, d, set->label_count) >= MAX_WORK)
            break;
        if (d % 256 == 0 && options->stop && options->stop(options->arg))
            rc = LAM_FAIL(err, LAM_E_CANCELLED, "training was stopped");
        if (rc || (rc = read_doc(reader, &docs[d], err)))
            break;
        set->given[d] = docs[d].label;
        rc = add_row(set, reader, model, prior, err);
    }
    free(prior);
    return rc;
}

static int check(const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count, struct lam_error *err)
{
    for (size_t d = 0; d < count; d++)
        if (docs[d].label < -1 || docs[d].label >= (int64_t)tasks->label_count)
            return LAM_FAIL(err, LAM_E_INVALID, "document %zu has label %d of %zu", d, docs[d].label, tasks->label_count);
    return 0;
}

int lam_training_set_build(struct lam_training_set *set, const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count,
                           const struct lam_builtin_training *options, struct lam_builtin_model *model, struct lam_error *err)
{
    struct counters counters = {.mask = 4095};
    struct reader reader = {0};
    int rc;

    *set = (struct lam_training_set){.label_count = (uint32_t)tasks->label_count};
    if ((rc = check(tasks, docs, count, err)))
        return rc;
    count = count < MAX_PRIORS / tasks->label_count ? count : MAX_PRIORS / tasks->label_count;
    if ((rc = reader_init(&reader, tasks, err)))
        goto cleanup;
    counters.slots = calloc(counters.mask + 1, sizeof *counters.slots);
    set->starts = calloc(count + 1, sizeof *set->starts);
    set->prior = calloc(count * tasks->label_count + 1, sizeof *set->prior);
    set->strength = calloc(count + 1, sizeof *set->strength);
    set->given = calloc(count + 1, sizeof *set->given);
    if (!counters.slots || !set->starts || !set->prior || !set->strength || !set->given) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a sample of %zu documents", count);
        goto cleanup;
    }
    if ((rc = count_features(&counters, &reader, docs, count, options, err)))
        goto cleanup;
    if ((rc = make_classifier(tasks, &counters, choose(&counters, &reader.words, count, tasks->label_count, options), count, model, err)))
        goto cleanup;
    if (!(set->named = calloc(model->feature_count + 1u, 1))) {
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for %u features", model->feature_count);
        goto cleanup;
    }
    rc = fill_rows(set, &reader, docs, count, options, model, err);

cleanup:
    free(counters.slots);
    reader_release(&reader);
    if (rc)
        lam_training_set_release(set);
    return rc;
}

void lam_training_set_release(struct lam_training_set *set)
{
    free(set->starts);
    free(set->columns);
    free(set->values);
    free(set->prior);
    free(set->strength);
    free(set->given);
    free(set->named);
    *set = (struct lam_training_set){0};
}
