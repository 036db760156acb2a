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
#define FOLDS 8         /* an eighth of the documents teaches nobody, and fits the temperature; then the next eighth, */
#define HELD_OUT 1000   /* until so many documents were held out */
#define KNOWN_LEAST 30  /* held-out documents with a known label, from which on they fit it instead */
#define NO_FOLD FOLDS
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
 * same, whatever their number. fold: of FOLDS, is left out; NO_FOLD: none is.
 */
static size_t choose_examples(struct training *training, double part, size_t fold)
{
    const struct lam_training_set *set = &training->set;
    size_t count = 0, labels_used = 0, begun;

    for (uint32_t k = 0; k < set->label_count; k++) {
        size_t candidates = 0, take;

        begun = count;
        for (size_t d = 0; d < set->count; d++) {
            if (d % FOLDS == fold)
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

/* part: of each label's documents. */
static int learn(struct training *training, double part, uint64_t seed, size_t fold, struct lam_error *err)
{
    size_t count = choose_examples(training, part, fold);

    if (!count)
        return LAM_FAIL(err, LAM_E_NOT_FOUND,
                        "no document has a word of any label's name or description, and none has a label: nothing to learn from");
    return lam_softmax_learn(&training->set, training->examples, count, seed, training->options, training->model, err);
}

/* Documents that taught nobody, and what the classifier said of them. */
struct held_out {
    float *scores;   /* [count][label_count], the linear answers */
    uint32_t *docs;
    size_t count, folds;
    bool known;      /* judged by known labels, not by the descriptions */
};

/* The label that the document is taken to have. Known ones where there are enough, else what the descriptions say. */
static uint32_t truth_of(const struct lam_training_set *set, const struct held_out *held, uint32_t doc)
{
    return held->known ? (uint32_t)set->given[doc] : best_of(&set->prior[(size_t)doc * set->label_count], set->label_count);
}

/*
 * Holds out a fold after the other, until there are enough documents to judge by. Where the truth is what the descriptions say, their
 * words are taken out of the document first: the classifier is asked whether the rest of the text tells the same.
 */
static int hold_out(struct training *training, size_t folds, struct held_out *held, struct lam_error *err)
{
    const struct lam_training_set *set = &training->set;
    size_t known = 0, most = 0;
    int rc;

    for (size_t d = 0; d < set->count; d++) {
        known += d % FOLDS < folds && set->given[d] >= 0;
        most += d % FOLDS < folds;
    }
    *held = (struct held_out){.folds = folds, .known = known >= KNOWN_LEAST};
    held->scores = malloc((most * set->label_count + 1) * sizeof *held->scores);
    held->docs = malloc((most + 1) * sizeof *held->docs);
    if (!held->scores || !held->docs)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to hold out %zu documents", most);
    for (size_t fold = 0; fold < folds; fold++) {
        if ((rc = learn(training, LAST_PART, SEED + ROUNDS - 1, fold, err)))
            return rc == LAM_E_NOT_FOUND ? 0 : rc; /* all that teach are in this fold: judged by what there is */
        for (size_t d = fold; d < set->count; d += FOLDS) {
            float *scores = &held->scores[held->count * set->label_count];

            if (!(held->known ? set->given[d] >= 0 : set->strength[d] > 0))
                continue;
            lam_softmax_score(set, training->model, d, !held->known, training->scores);
            for (uint32_t k = 0; k < set->label_count; k++)
                scores[k] = (float)training->scores[k];
            held->docs[held->count++] = (uint32_t)d;
        }
    }
    return 0;
}

/* How surprised the model is by the labels of the documents held out, at this temperature. */
static double surprise(struct training *training, const struct held_out *held, double temperature)
{
    const struct lam_training_set *set = &training->set;
    double sum = 0, p;

    for (size_t i = 0; i < held->count; i++) {
        for (uint32_t k = 0; k < set->label_count; k++)
            training->scores[k] = held->scores[i * set->label_count + k];
        if (held->known)
            mix(set, held->docs[i], temperature, MIX, training->scores);
        else
            lam_label_softmax(training->scores, set->label_count, 1 / temperature);
        p = training->scores[truth_of(set, held, held->docs[i])];
        sum -= lam_log(p > 1e-9 ? p : 1e-9);
    }
    return sum;
}

/* The temperature at which the documents held out surprise least; 1 where there are none. */
static int fit_temperature(struct training *training, size_t folds, double *temperature, struct lam_error *err)
{
    struct held_out held;
    double low = 0.02, high = 4;
    int rc = hold_out(training, folds, &held, err);

    for (int i = 0; i < 30 && !rc && held.count; i++) {
        double a = low + (high - low) / 3, b = high - (high - low) / 3;

        if (surprise(training, &held, a) <= surprise(training, &held, b))
            high = b;
        else
            low = a;
    }
    *temperature = held.count ? (low + high) / 2 : 1;
    free(held.scores);
    free(held.docs);
    return rc;
}

static int train_classifier(struct training *training, struct lam_builtin_training_report *report, struct lam_error *err)
{
    uint32_t labels = training->set.label_count;
    uint32_t *matched = training->model->matched, *given = training->model->given;
    double temperature = 1, work = (double)lam_training_work(training->set.entry_count, training->set.count, labels);
    size_t folds = work > WORK / 2 || !training->set.count ? 1 : (HELD_OUT * FOLDS + training->set.count - 1) / training->set.count;
    int rc, rounds = work <= WORK ? ROUNDS : work >= WORK * ROUNDS / ROUNDS_LEAST ? ROUNDS_LEAST : (int)(ROUNDS * WORK / work);

    answer_by_descriptions(training);
    for (size_t d = 0; d < training->set.count; d++)
        matched[training->label[d]] += training->confidence[d] > 0;
    for (int round = 0; round < rounds; round++) {
        if ((rc = learn(training, FIRST_PART + (LAST_PART - FIRST_PART) * round / (rounds - 1), SEED + (uint64_t)round, NO_FOLD, err)))
            return rc;
        answer_by_model(training);
        report->rounds++;
    }
    if ((rc = fit_temperature(training, folds < FOLDS ? folds : FOLDS, &temperature, err)) ||
        (rc = learn(training, LAST_PART, SEED + ROUNDS - 1, NO_FOLD, err)))
        return rc;
    answer_by_model(training);
    for (size_t d = 0; d < training->set.count; d++)
        given[training->label[d]]++;
    for (uint32_t k = 0; k < labels; k++) {
        report->died_out += lam_builtin_model_died_out(training->model, k);
        report->unseen += lam_builtin_model_unseen(training->model, k);
    }
    training->model->temperature = (float)temperature;
    training->model->mix = MIX;
    return 0;
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
