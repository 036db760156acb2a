/*
 * How well the built-in analyzer classifies a labelled file, by the label descriptions alone and, with --train, by the model that it
 * trains itself on the same texts without their labels. Prints accuracy, macro F1, confusion and how far confidence tells the truth.
 *
 *     eval_builtin [--train | --split] [--knn] LABELS FILE.jsonl
 *     eval_builtin [--train | --split] [--knn] LABELS FILE.csv TEXT LABEL
 *
 * --split, instead of --train: the model learns from every other document only, and is judged on the rest.
 * --knn: besides, the share of documents whose neighbours by embedding have the same label (leave-one-out, the first 2,000).
 */
#include <lamina/block.h>

#include <time.h>

#include "ai/builtin/builtin.h"
#include "ai/builtin/train.h"
#include "labelled.h"

#define BINS 10
#define NEIGHBOURS 5
#define KNN_DOCUMENTS 2000

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(int rc, const struct lam_error *err)
{
    if (rc)
        labelled_die(err->text, lam_error_name(rc));
}

static struct lam_block *analyse(const struct labelled *data, const struct lam_tasks *tasks, const struct lam_builtin_model *model)
{
    struct lam_block *block = lam_block_new(data->count, (size_t)4 << 30);
    struct lam_analyzer *analyzer;
    struct lam_error err;

    for (size_t i = 0; i < data->count; i++) {
        struct lam_row row = {.rec = {.title = data->titles[i], .text = data->texts[i]}};

        check(lam_block_add_row(block, &row, &err), &err);
    }
    check(lam_builtin_open_with_model(tasks, model, model != NULL, &analyzer, &err), &err);
    check(lam_analyzer_builtin.submit(analyzer, block, 0, data->count, NULL, &err), &err);
    lam_analyzer_builtin.close(analyzer);
    return block;
}

static void report(const struct labelled *data, struct lam_block *block)
{
    size_t k = data->label_count, right = 0, none = 0, judged = 0, bin_count[BINS] = {0}, bin_right[BINS] = {0};
    size_t *matrix = calloc((k + 1) * (k + 1), sizeof *matrix);
    double bin_confidence[BINS] = {0}, f1 = 0, ece = 0;

    for (size_t i = 0; i < data->count; i++) {
        const struct lam_enrichment *enr = &lam_block_row(block, i)->enr;
        size_t given = k, bin;

        if (data->labels[i] < 0)
            continue;
        for (size_t j = 0; j < k; j++)
            if (lam_sv_eq(enr->category, data->names[j].name))
                given = j;
        judged++;
        none += given == k;
        right += given == (size_t)data->labels[i];
        matrix[(size_t)data->labels[i] * (k + 1) + given]++;
        if (given == k)
            continue;
        bin = enr->confidence >= 1 ? BINS - 1 : (size_t)(enr->confidence * BINS);
        bin_count[bin]++;
        bin_confidence[bin] += enr->confidence;
        bin_right[bin] += given == (size_t)data->labels[i];
    }
    printf("accuracy %.4f of %zu, no category %zu\n", (double)right / (double)judged, judged, none);
    for (size_t j = 0; j < k; j++) {
        size_t row = 0, column = 0, hit = matrix[j * (k + 1) + j];

        for (size_t m = 0; m <= k; m++)
            row += matrix[j * (k + 1) + m];
        for (size_t m = 0; m < k; m++)
            column += matrix[m * (k + 1) + j];
        f1 += row + column ? 2.0 * (double)hit / (double)(row + column) : 0;
        printf("  %-22.*s", LAM_SV_ARG(data->names[j].name));
        for (size_t m = 0; m <= k; m++)
            printf("%6zu", matrix[j * (k + 1) + m]);
        printf("\n");
    }
    printf("macro F1 %.4f\n", f1 / (double)k);
    for (int b = 0; b < BINS; b++)
        if (bin_count[b]) {
            double confidence = bin_confidence[b] / (double)bin_count[b], accuracy = (double)bin_right[b] / (double)bin_count[b];

            ece += (confidence > accuracy ? confidence - accuracy : accuracy - confidence) * (double)bin_count[b] / (double)(judged - none);
            printf("  confidence %.2f: right %.2f of %zu\n", confidence, accuracy, bin_count[b]);
        }
    printf("calibration error %.4f\n", ece);
    free(matrix);
}

/* The five nearest of the others, nearest first; -1 where there are fewer. */
static void nearest(const struct lam_enrichment *a, struct lam_block *block, size_t i, size_t count, size_t near[NEIGHBOURS])
{
    double best[NEIGHBOURS];
    size_t taken = 0;

    for (size_t j = 0; j < count; j++) {
        const struct lam_enrichment *b = &lam_block_row(block, j)->enr;
        double dot = 0;
        size_t at;

        if (i == j || !b->embedding)
            continue;
        for (uint32_t d = 0; d < a->dim; d++)
            dot += (double)a->embedding[d] * (double)b->embedding[d];
        if (taken == NEIGHBOURS && dot <= best[taken - 1])
            continue;
        at = taken < NEIGHBOURS ? taken++ : taken - 1;
        for (; at > 0 && best[at - 1] < dot; at--) {
            best[at] = best[at - 1];
            near[at] = near[at - 1];
        }
        best[at] = dot;
        near[at] = j;
    }
    for (; taken < NEIGHBOURS; taken++)
        near[taken] = i;
}

/* Of the first documents: how often the nearest, and most of the five nearest (of equal numbers the nearer), have the same label. */
static void neighbours(const struct labelled *data, struct lam_block *block)
{
    size_t count = data->count < KNN_DOCUMENTS ? data->count : KNN_DOCUMENTS, first = 0, most = 0;

    for (size_t i = 0; i < count; i++) {
        const struct lam_enrichment *a = &lam_block_row(block, i)->enr;
        size_t near[NEIGHBOURS], votes[NEIGHBOURS] = {0}, best = 0;

        if (!a->embedding)
            continue;
        nearest(a, block, i, count, near);
        for (size_t n = 0; n < NEIGHBOURS; n++)
            for (size_t m = 0; m < NEIGHBOURS; m++)
                votes[n] += data->labels[near[n]] == data->labels[near[m]];
        for (size_t n = 1; n < NEIGHBOURS; n++)
            best = votes[n] > votes[best] ? n : best;
        first += data->labels[near[0]] == data->labels[i];
        most += data->labels[near[best]] == data->labels[i];
    }
    printf("same label, of %zu: nearest neighbour %.4f, most of five %.4f\n", count, (double)first / (double)count,
           (double)most / (double)count);
}

/* split: the model learns from every other document, and is judged on the others too, which it has never seen. */
static void train_and_report(const struct labelled *data, const struct lam_tasks *tasks, bool split, bool knn)
{
    size_t count = 0;
    struct lam_builtin_doc *docs = calloc(data->count, sizeof *docs);
    struct lam_builtin_training_report trained;
    struct lam_builtin_model *model;
    struct lam_block *block;
    struct lam_error err;
    double start = now();

    for (size_t i = 0; i < data->count; i += split ? 2 : 1)
        docs[count++] = (struct lam_builtin_doc){data->titles[i], data->texts[i], -1};
    check(lam_builtin_train(tasks, docs, count, NULL, &model, &trained, &err), &err);
    printf("trained in %.2f s: %u documents, %u features, %u rounds, temperature %.3f, died out %u, unseen %u\n", now() - start,
           trained.documents, trained.features, trained.rounds, (double)trained.temperature, trained.died_out, trained.unseen);
    for (size_t i = 0; i < data->count && split; i += 2)
        data->labels[i] = -1;
    block = analyse(data, tasks, model);
    report(data, block);
    if (knn)
        neighbours(data, block);
    lam_block_free(block);
    lam_builtin_model_free(model);
    free(docs);
}

int main(int argc, char **argv)
{
    struct lam_tasks tasks = {.wanted = LAM_TASK_CLASSIFY | LAM_TASK_EMBED, .dim = 256};
    struct labelled data = {0};
    bool train = false, split = false, knn = false;
    struct lam_block *block;

    for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
        train |= !strcmp(argv[1], "--train");
        split |= !strcmp(argv[1], "--split");
        knn |= !strcmp(argv[1], "--knn");
    }
    if (argc != 3 && argc != 5)
        labelled_die("eval_builtin [--train | --split] [--knn] LABELS FILE.jsonl | FILE.csv TEXT LABEL", "usage");
    labelled_names(&data, argv[1]);
    if (argc == 3)
        labelled_jsonl(&data, argv[2]);
    else
        labelled_csv(&data, argv[2], argv[3], argv[4]);
    tasks.labels = data.names;
    tasks.label_count = data.label_count;
    block = analyse(&data, &tasks, NULL);
    report(&data, block);
    if (knn)
        neighbours(&data, block);
    lam_block_free(block);
    if (train || split)
        train_and_report(&data, &tasks, split, knn && !split);
    return 0;
}
