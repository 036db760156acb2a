#include "train_parts.h"

#include <stdlib.h>

#include "fmath.h"
#include "vector.h"

#define EPOCHS 10      /* fewer where the examples are many: STEPS are enough for any number */
#define EPOCHS_LEAST 4
#define STEPS 200000
#define RATE 2.0       /* of the first epoch; rows have unit length */
#define DECAY 1.0      /* the rate of epoch e is RATE / (1 + DECAY e) */
#define PENALTY 0.2    /* of the squared weights, shared among the examples */

void lam_softmax_score(const struct lam_training_set *set, const struct lam_builtin_model *model, size_t doc, bool without_named,
                       double *scores)
{
    uint32_t labels = set->label_count;

    for (uint32_t k = 0; k < labels; k++)
        scores[k] = model->bias[k];
    for (size_t i = set->starts[doc]; i < set->starts[doc + 1]; i++)
        if (!without_named || !set->named[set->columns[i]])
            lam_add_scaled(scores, &model->weights[(size_t)set->columns[i] * labels], set->values[i], labels);
}

/* Fisher-Yates with SplitMix64: the same order everywhere. */
static void shuffle(struct lam_example *examples, size_t count, uint64_t *seed)
{
    for (size_t i = count; i > 1; i--) {
        uint64_t x = *seed += 0x9e3779b97f4a7c15u;
        struct lam_example moved = examples[i - 1];
        size_t at;

        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        at = (size_t)((x ^ x >> 31) % i);
        examples[i - 1] = examples[at];
        examples[at] = moved;
    }
}

/*
 * One step. The weights stand divided by *scale, so that shrinking all of them (the penalty) is one multiplication.
 */
static void step(const struct lam_training_set *set, const struct lam_example *example, double rate, double shrink, double *scale,
                 struct lam_builtin_model *model, double *scores)
{
    uint32_t labels = set->label_count;

    for (uint32_t k = 0; k < labels; k++)
        scores[k] = 0;
    for (size_t i = set->starts[example->doc]; i < set->starts[example->doc + 1]; i++)
        lam_add_scaled(scores, &model->weights[(size_t)set->columns[i] * labels], set->values[i], labels);
    for (uint32_t k = 0; k < labels; k++)
        scores[k] = scores[k] * *scale + model->bias[k];
    lam_label_softmax(scores, labels, 1);
    scores[example->label] -= 1;
    *scale *= shrink;
    for (uint32_t k = 0; k < labels; k++) {
        scores[k] *= -rate * example->weight;
        model->bias[k] = (float)(model->bias[k] + 0.1 * scores[k]);
        scores[k] /= *scale;
    }
    for (size_t i = set->starts[example->doc]; i < set->starts[example->doc + 1]; i++)
        lam_add_rounded(&model->weights[(size_t)set->columns[i] * labels], scores, set->values[i], labels);
}

static void rescale(struct lam_builtin_model *model, double *scale)
{
    for (size_t i = 0; i < (size_t)model->feature_count * model->label_count; i++)
        model->weights[i] = (float)(model->weights[i] * *scale);
    *scale = 1;
}

static int run_epoch(const struct lam_training_set *set, const struct lam_example *examples, size_t count, double rate,
                     const struct lam_builtin_training *options, struct lam_builtin_model *model, double *scores, struct lam_error *err)
{
    double shrink = 1 - rate * PENALTY / (double)(count > 8 ? count : 8), scale = 1;

    for (size_t i = 0; i < count; i++) {
        if (i % 1024 == 0 && options->stop && options->stop(options->arg))
            return LAM_FAIL(err, LAM_E_CANCELLED, "training was stopped");
        step(set, &examples[i], rate, shrink, &scale, model, scores);
        if (scale < 1e-3)
            rescale(model, &scale);
    }
    rescale(model, &scale);
    return 0;
}

/* Adds the weights as they stand to their sum: the mean of epochs hangs less on the order of examples (Polyak and Juditsky 1992). */
static void add_up(const struct lam_builtin_model *model, float *sum)
{
    size_t weights = (size_t)model->feature_count * model->label_count;

    for (size_t i = 0; i < weights; i++)
        sum[i] += model->weights[i];
    for (uint32_t k = 0; k < model->label_count; k++)
        sum[weights + k] += model->bias[k];
}

static void take_mean(struct lam_builtin_model *model, const float *sum, size_t count)
{
    size_t weights = (size_t)model->feature_count * model->label_count;

    for (size_t i = 0; i < weights; i++)
        model->weights[i] = sum[i] / (float)count;
    for (uint32_t k = 0; k < model->label_count; k++)
        model->bias[k] = sum[weights + k] / (float)count;
}

int lam_softmax_learn(const struct lam_training_set *set, struct lam_example *examples, size_t count, uint64_t seed,
                      const struct lam_builtin_training *options, struct lam_builtin_model *model, struct lam_error *err)
{
    size_t weights = (size_t)model->feature_count * model->label_count;
    double *scores = calloc(set->label_count, sizeof *scores);
    float *sum = calloc(weights + model->label_count, sizeof *sum);
    size_t epochs = count * EPOCHS <= STEPS ? EPOCHS : count * EPOCHS_LEAST >= STEPS ? EPOCHS_LEAST : STEPS / count;
    int rc = scores && sum ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory to learn %zu weights", weights);

    memset(model->weights, 0, weights * sizeof *model->weights);
    memset(model->bias, 0, model->label_count * sizeof *model->bias);
    for (size_t epoch = 0; epoch < epochs && !rc; epoch++) {
        shuffle(examples, count, &seed);
        rc = run_epoch(set, examples, count, RATE / (1 + DECAY * (double)epoch), options, model, scores, err);
        if (!rc && epoch >= epochs - epochs / 2)
            add_up(model, sum);
    }
    if (!rc)
        take_mean(model, sum, epochs / 2); /* of the later half */
    free(sum);
    free(scores);
    return rc;
}
