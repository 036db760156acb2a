#include "eval.h"

#include <stdlib.h>

#include "base/dict.h"

#define STEPS 1000000u            /* of confidence */
#define NAMES_MAX 65536           /* labels */
#define NAMES_BYTES ((size_t)64 << 20)
#define PAIRS_MAX 4194304         /* that occur */
#define NONE UINT32_MAX           /* no answer */

static const double shares[LAM_EVAL_SHARES] = {0.5, 0.8, 0.9, 1.0};

struct step {
    uint64_t records, right;
};

struct lam_eval {
    struct lam_dict names;  /* of labels to their index */
    struct lam_sv *texts;   /* by index, NUL-terminated copies */
    size_t name_count, name_cap;
    struct lam_dict pairs;  /* (truth, answer) to records */
    struct step *steps;     /* of answered records, by confidence */
    uint64_t records, answered, right;
    struct lam_eval_label *labels;
    struct lam_eval_cell *cells;
};

struct pair {
    uint32_t truth, answer;
};

int lam_eval_new(struct lam_eval **out, struct lam_error *err)
{
    struct lam_eval *eval = calloc(1, sizeof *eval);

    *out = eval;
    if (!eval)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an evaluation");
    lam_dict_init(&eval->names, NAMES_MAX, NAMES_BYTES);
    lam_dict_init(&eval->pairs, PAIRS_MAX, PAIRS_MAX * sizeof(struct pair));
    if ((eval->steps = calloc(STEPS + 1, sizeof *eval->steps)))
        return 0;
    lam_eval_free(eval);
    *out = NULL;
    return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an evaluation");
}

void lam_eval_free(struct lam_eval *eval)
{
    if (!eval)
        return;
    for (size_t i = 0; i < eval->name_count; i++)
        free((char *)(uintptr_t)eval->texts[i].ptr);
    lam_dict_release(&eval->names);
    lam_dict_release(&eval->pairs);
    free(eval->texts);
    free(eval->steps);
    free(eval->labels);
    free(eval->cells);
    free(eval);
}

static int index_of(struct lam_eval *eval, struct lam_sv name, uint32_t *index, struct lam_error *err)
{
    uint64_t *value;
    char *text;
    bool added;
    int rc;

    if (eval->name_count == eval->name_cap) {
        size_t cap = eval->name_cap ? 2 * eval->name_cap : 16;
        struct lam_sv *grown = realloc(eval->texts, cap * sizeof *grown);

        if (!grown)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for labels");
        eval->texts = grown;
        eval->name_cap = cap;
    }
    if ((rc = lam_dict_add(&eval->names, name, &value, &added, err)))
        return LAM_PASS(err, rc, "labels of an evaluation: is the field one of labels?");
    if (added) {
        if (!(text = malloc(name.len + 1)))
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for labels");
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        eval->texts[eval->name_count] = lam_sv(text, name.len);
        *value = eval->name_count++;
    }
    *index = (uint32_t)*value;
    return 0;
}

int lam_eval_add(struct lam_eval *eval, struct lam_sv truth, struct lam_sv answer, double confidence, struct lam_error *err)
{
    struct pair pair = {0, NONE};
    uint64_t *records;
    int rc;

    if ((rc = index_of(eval, truth, &pair.truth, err)) || (answer.len && (rc = index_of(eval, answer, &pair.answer, err))) ||
        (rc = lam_dict_add(&eval->pairs, lam_sv((const char *)&pair, sizeof pair), &records, NULL, err)))
        return rc;
    ++*records;
    eval->records++;
    if (!answer.len)
        return 0;
    if (!(confidence >= 0 && confidence <= 1))
        confidence = 0;
    eval->answered++;
    eval->right += pair.truth == pair.answer;
    eval->steps[(uint32_t)(confidence * STEPS + 0.5)].records++;
    eval->steps[(uint32_t)(confidence * STEPS + 0.5)].right += pair.truth == pair.answer;
    return 0;
}

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

static int by_name(const void *a, const void *b)
{
    return lam_sv_cmp(((const struct lam_eval_label *)a)->name, ((const struct lam_eval_label *)b)->name);
}

static int by_pair(const void *a, const void *b)
{
    const struct lam_eval_cell *x = a, *y = b;
    int order = lam_sv_cmp(x->truth, y->truth);

    return order ? order : lam_sv_cmp(x->answer, y->answer);
}

static void count_labels(struct lam_eval *eval, struct lam_eval_result *result)
{
    size_t cursor = 0, labelled = 0;
    uint64_t records;
    struct lam_sv key;

    for (size_t i = 0; i < eval->name_count; i++)
        eval->labels[i] = (struct lam_eval_label){.name = eval->texts[i]};
    while (lam_dict_next(&eval->pairs, &cursor, &key, &records)) {
        struct pair pair;

        memcpy(&pair, key.ptr, sizeof pair);
        eval->cells[result->cell_count++] =
            (struct lam_eval_cell){eval->texts[pair.truth], pair.answer == NONE ? lam_sv("", 0) : eval->texts[pair.answer], records};
        eval->labels[pair.truth].truth += records;
        if (pair.answer != NONE)
            eval->labels[pair.answer].answers += records;
        if (pair.answer == pair.truth)
            eval->labels[pair.truth].right += records;
    }
    if (eval->name_count)
        qsort(eval->labels, eval->name_count, sizeof *eval->labels, by_name);
    if (result->cell_count)
        qsort(eval->cells, result->cell_count, sizeof *eval->cells, by_pair);
    for (size_t i = 0; i < eval->name_count; i++) {
        struct lam_eval_label *label = &eval->labels[i];

        label->precision = ratio((double)label->right, (double)label->answers);
        label->recall = ratio((double)label->right, (double)label->truth);
        label->f1 = ratio(2 * (double)label->right, (double)(label->answers + label->truth));
        labelled += label->truth > 0;
        result->macro_f1 += label->truth ? label->f1 : 0; /* in the order of names: the same sum every time */
    }
    result->macro_f1 = ratio(result->macro_f1, (double)labelled);
}

static void calibrate(const struct lam_eval *eval, struct lam_eval_result *result)
{
    uint64_t sums[LAM_EVAL_BINS] = {0}; /* of confidences, in steps */

    for (uint32_t s = 0; s <= STEPS; s++) {
        uint32_t bin = s / (STEPS / LAM_EVAL_BINS);

        bin = bin < LAM_EVAL_BINS ? bin : LAM_EVAL_BINS - 1;
        result->bins[bin].records += eval->steps[s].records;
        result->bins[bin].right += eval->steps[s].right;
        sums[bin] += eval->steps[s].records * s;
    }
    for (int i = 0; i < LAM_EVAL_BINS; i++) {
        struct lam_eval_bin *bin = &result->bins[i];
        double gap;

        bin->confidence = ratio((double)sums[i], (double)bin->records * STEPS);
        gap = bin->confidence - ratio((double)bin->right, (double)bin->records);
        result->calibration_error += ratio((gap < 0 ? -gap : gap) * (double)bin->records, (double)eval->answered);
    }
}

/* The surest records first; those without an answer come last, and are not right. */
static void cover(const struct lam_eval *eval, struct lam_eval_share *share)
{
    uint64_t wanted = (uint64_t)(share->share * (double)eval->records + 0.999999), taken = 0;
    double right = 0;
    uint32_t s = STEPS + 1;

    while (s > 0 && taken < wanted) {
        const struct step *step = &eval->steps[--s];
        uint64_t more = step->records < wanted - taken ? step->records : wanted - taken;

        if (more)
            right += (double)step->right * ((double)more / (double)step->records);
        taken += more;
    }
    share->records = wanted;
    share->confidence = taken < wanted ? 0 : (double)s / STEPS;
    share->accuracy = ratio(right, (double)wanted);
}

int lam_eval_finish(struct lam_eval *eval, struct lam_eval_result *result, struct lam_error *err)
{
    *result = (struct lam_eval_result){.records = eval->records, .answered = eval->answered, .right = eval->right};
    eval->labels = calloc(eval->name_count + 1, sizeof *eval->labels);
    eval->cells = calloc(eval->pairs.count + 1, sizeof *eval->cells);
    if (!eval->labels || !eval->cells)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an evaluation");
    count_labels(eval, result);
    calibrate(eval, result);
    for (int i = 0; i < LAM_EVAL_SHARES; i++) {
        result->shares[i].share = shares[i];
        cover(eval, &result->shares[i]);
    }
    result->labels = eval->labels;
    result->label_count = eval->name_count;
    result->cells = eval->cells;
    result->accuracy = ratio((double)eval->right, (double)eval->records);
    result->accuracy_answered = ratio((double)eval->right, (double)eval->answered);
    return 0;
}
