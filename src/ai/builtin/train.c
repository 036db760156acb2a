#include "train.h"

#include <stdlib.h>

#include "fmath.h"
#include "gazetteer.h"
#include "train_parts.h"

#define ROUNDS 8
#define ROUNDS_LEAST 3
#define WORK 1e8        /* lam_training_work beyond which rounds are fewer, so that training takes seconds whatever the sample */
#define FIRST_PART 0.3  /* of the documents of each predicted label that teach: the most confident */
#define LAST_PART 0.9
#define MIX 0.2f        /* share of the descriptions */
#define HELD_OUT 8      /* every eighth document teaches nobody in the last round but one, and fits the temperature */
#define KNOWN_LEAST 30   /* held-out documents with a known label, from which on they fit it instead */
#define SEED 0x6c616d696e61u

struct training {
    const struct lam_builtin_training *options;
    struct lam_training_set set;
    struct lam_builtin_model *model;
    struct lam_example *examples;
    uint32_t *label;      /* of each document, as answered last */
    float *confidence;
    struct candidate *candidates;
    double *scores;
};

struct candidate {
    float confidence;
    uint32_t doc;
};

static int more_confident(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->confidence != y->confidence)
        return x->confidence > y->confidence ? -1 : 1;
    return (x->doc > y->doc) - (x->doc < y->doc);
}

static uint32_t best_of(const float *shares, uint32_t count)
{
    uint32_t best = 0;

    for (uint32_t k = 1; k < count; k++)
        if (shares[k] > shares[best])
            best = k;
    return best;
}

/* The first answers: the best label of the descriptions, as sure as it is ahead. */
static void answer_by_descriptions(struct training *training)
{
    const struct lam_training_set *set = &training->set;

    for (size_t d = 0; d < set->count; d++) {
        training->label[d] = best_of(&set->prior[d * set->label_count], set->label_count);
        training->confidence[d] = set->strength[d];
    }
}

/* The model's probabilities, with the descriptions' share where these say something. */
static void mix(const struct lam_training_set *set, size_t doc, double temperature, double share, double *scores)
{
    const float *prior = &set->prior[doc * set->label_count];

    lam_label_softmax(scores, set->label_count, 1 / temperature);
    for (uint32_t k = 0; k < set->label_count && set->strength[doc] > 0; k++)
        scores[k] = (1 - share) * scores[k] + share * prior[k];
}

static void answer_by_model(struct training *training)
{
    const struct lam_training_set *set = &training->set;

    for (size_t d = 0; d < set->count; d++) {
        uint32_t best = 0;

        lam_softmax_score(set, training->model, d, false, training->scores);
        mix(set, d, 1, MIX, training->scores);
        for (uint32_t k = 1; k < set->label_count; k++)
            if (training->scores[k] > training->scores[best])
                best = k;
        training->label[d] = best;
        training->confidence[d] = (float)training->scores[best];
    }
}

/*
 * The examples of a round: of each predicted label the most confident part, and all documents whose label is known. Labels weigh the
 * same, whatever their number. skip: every skip-th document is left out; 0: none.
 */
static size_t choose_examples(struct training *training, double part, size_t skip)
{
    const struct lam_training_set *set = &training->set;
    size_t count = 0, labels_used = 0, begun;

    for (uint32_t k = 0; k < set->label_count; k++) {
        size_t candidates = 0, take;

        begun = count;
        for (size_t d = 0; d < set->count; d++) {
            if (skip && d % skip == skip - 1)
                continue;
            if (set->given[d] == (int32_t)k)
                training->examples[count++] = (struct lam_example){(uint32_t)d, k, 1};
            else if (set->given[d] < 0 && training->label[d] == k && training->confidence[d] > 0)
                training->candidates[candidates++] = (struct candidate){training->confidence[d], (uint32_t)d};
        }
        if (candidates)
            qsort(training->candidates, candidates, sizeof *training->candidates, more_confident);
        take = (size_t)(part * (double)candidates + 0.999);
        for (size_t i = 0; i < take && i < candidates; i++)
            training->examples[count++] = (struct lam_example){training->candidates[i].doc, k, 1};
        labels_used += count > begun;
        for (size_t i = begun; i < count; i++)
            training->examples[i].weight = 1.0f / (float)(count - begun);
    }
    for (size_t i = 0; i < count; i++) /* the mean weight is 1; a label of one document shall not drown the others */
        training->examples[i].weight = training->examples[i].weight * (float)count / (float)labels_used < 20
                                           ? training->examples[i].weight * (float)count / (float)labels_used
                                           : 20;
    return count;
}

/* part: of each label's documents; every skip-th document teaches nobody. */
static int learn(struct training *training, double part, uint64_t seed, size_t skip, struct lam_error *err)
{
    size_t count = choose_examples(training, part, skip);

    if (!count)
        return LAM_FAIL(err, LAM_E_NOT_FOUND,
                        "no document has a word of any label's name or description, and none has a label: nothing to learn from");
    return lam_softmax_learn(&training->set, training->examples, count, seed, training->options, training->model, err);
}

/*
 * How surprised the model is by the labels of the judged documents at this temperature. Where the label is what the descriptions
 * said, their words are taken out of the document first: the model is asked whether the rest of the text tells the same.
 */
static double surprise(struct training *training, const uint8_t *judged, double temperature)
{
    const struct lam_training_set *set = &training->set;
    double sum = 0, p;

    for (size_t d = 0; d < set->count; d++) {
        bool known = set->given[d] >= 0;

        if (!judged[d])
            continue;
        lam_softmax_score(set, training->model, d, !known, training->scores);
        if (known)
            mix(set, d, temperature, MIX, training->scores);
        else
            lam_label_softmax(training->scores, set->label_count, 1 / temperature);
        p = training->scores[known ? (uint32_t)set->given[d] : best_of(&set->prior[d * set->label_count], set->label_count)];
        sum -= lam_log(p > 1e-9 ? p : 1e-9);
    }
    return sum;
}

/*
 * The temperature at which the held-out documents surprise least: those with a known label where there are enough, else those where
 * one label's words are ahead.
 */
static double fit_temperature(struct training *training, uint8_t *judged)
{
    const struct lam_training_set *set = &training->set;
    double low = 0.02, high = 4;
    size_t known = 0, count = 0;

    for (size_t d = HELD_OUT - 1; d < set->count; d += HELD_OUT)
        known += set->given[d] >= 0;
    for (size_t d = HELD_OUT - 1; d < set->count; d += HELD_OUT)
        count += judged[d] = known >= KNOWN_LEAST ? set->given[d] >= 0 : set->strength[d] > 0;
    for (int i = 0; i < 30 && count; i++) {
        double a = low + (high - low) / 3, b = high - (high - low) / 3;

        if (surprise(training, judged, a) <= surprise(training, judged, b))
            high = b;
        else
            low = a;
    }
    return count ? (low + high) / 2 : 1;
}

static int train_classifier(struct training *training, struct lam_builtin_training_report *report, struct lam_error *err)
{
    uint32_t labels = training->set.label_count;
    uint32_t *matched = training->model->matched, *given = training->model->given;
    uint8_t *judged = calloc(training->set.count + 1, 1);
    int rc = judged ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for training");
    double temperature = 1, work = (double)lam_training_work(training->set.entry_count, training->set.count, labels);
    int rounds = work <= WORK ? ROUNDS : work >= WORK * ROUNDS / ROUNDS_LEAST ? ROUNDS_LEAST : (int)(ROUNDS * WORK / work);

    if (rc)
        goto cleanup;
    answer_by_descriptions(training);
    for (size_t d = 0; d < training->set.count; d++)
        matched[training->label[d]] += training->confidence[d] > 0;
    for (int round = 0; round < rounds; round++) {
        if ((rc = learn(training, FIRST_PART + (LAST_PART - FIRST_PART) * round / (rounds - 1), SEED + (uint64_t)round, 0, err)))
            goto cleanup;
        answer_by_model(training);
        report->rounds++;
    }
    if ((rc = learn(training, LAST_PART, SEED + ROUNDS - 1, HELD_OUT, err)))
        goto cleanup;
    temperature = fit_temperature(training, judged);
    if ((rc = learn(training, LAST_PART, SEED + ROUNDS - 1, 0, err)))
        goto cleanup;
    answer_by_model(training);
    for (size_t d = 0; d < training->set.count; d++)
        given[training->label[d]]++;
    for (uint32_t k = 0; k < labels; k++) {
        report->died_out += lam_builtin_model_died_out(training->model, k);
        report->unseen += lam_builtin_model_unseen(training->model, k);
    }
    training->model->temperature = (float)temperature;
    training->model->mix = MIX;

cleanup:
    free(judged);
    return rc;
}

static int learn_classifier(const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count,
                            const struct lam_builtin_training *options, struct lam_builtin_model *model,
                            struct lam_builtin_training_report *report, struct lam_error *err)
{
    struct training training = {.options = options, .model = model};
    int rc;

    if ((rc = lam_training_set_build(&training.set, tasks, docs, count, options, model, err)))
        return rc;
    training.examples = calloc(training.set.count + 1, sizeof *training.examples);
    training.label = calloc(training.set.count + 1, sizeof *training.label);
    training.confidence = calloc(training.set.count + 1, sizeof *training.confidence);
    training.candidates = calloc(training.set.count + 1, sizeof *training.candidates);
    training.scores = calloc(tasks->label_count, sizeof *training.scores);
    if (!training.examples || !training.label || !training.confidence || !training.candidates || !training.scores)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory to train on %zu documents", training.set.count);
    if (!rc)
        rc = train_classifier(&training, report, err);
    report->documents = (uint32_t)training.set.count;
    report->features = model->feature_count;
    report->temperature = model->temperature;
    free(training.examples);
    free(training.label);
    free(training.confidence);
    free(training.candidates);
    free(training.scores);
    lam_training_set_release(&training.set);
    return rc;
}

int lam_builtin_train(const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count,
                      const struct lam_builtin_training *options, struct lam_builtin_model **model,
                      struct lam_builtin_training_report *report, struct lam_error *err)
{
    static const struct lam_builtin_training defaults;
    struct lam_builtin_training_report ignored;
    struct lam_builtin_model *made;
    int rc;

    options = options ? options : &defaults;
    report = report ? report : &ignored;
    *report = (struct lam_builtin_training_report){.documents = (uint32_t)count};
    *model = NULL;
    if ((rc = lam_builtin_model_new(&made, err)))
        return rc;
    made->tasks_digest = lam_builtin_tasks_digest(tasks);
    made->document_count = (uint32_t)count;
    if (!(rc = lam_training_corpus(docs, count, options, &made->corpus, err)) && tasks->label_count)
        rc = learn_classifier(tasks, docs, count, options, made, report, err);
    if (!rc)
        rc = lam_gazetteer_learn(docs, count, options->stop, options->arg, &made->gazetteer, err);
    if (!rc && !tasks->label_count && !made->corpus.count)
        rc = LAM_FAIL(err, LAM_E_NOT_FOUND, "no document has a word: nothing to learn from");
    report->words = made->corpus.count;
    report->names = made->gazetteer ? made->gazetteer->names : 0;
    report->sided = (uint32_t)lam_corpus_valences(&made->corpus);
    if (rc) {
        lam_builtin_model_free(made);
        return LAM_PASS(err, rc, "train the built-in analyzer");
    }
    lam_builtin_model_link(made);
    *model = made;
    return 0;
}
