/* An evaluation as JSON, and as a table. */
#include "eval.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SQUARE_MAX 12   /* labels of a confusion that is printed whole */
#define ERRORS_SHOWN 20 /* of a larger one */
#define NAME_WIDTH 24

static int json_labels(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, ",\"labels\":[");

    for (size_t i = 0; !rc && i < result->label_count; i++) {
        const struct lam_eval_label *label = &result->labels[i];

        if (!(rc = lam_buf_addf(out, err, "%s{\"name\":", i ? "," : "")) && !(rc = lam_buf_add_json(out, label->name, err)))
            rc = lam_buf_addf(out, err, ",\"truth\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"right\":%" PRIu64 ",\"precision\":%.6f,\"recall\":%.6f,\"f1\":%.6f}",
                              label->truth, label->answers, label->right, label->precision, label->recall, label->f1);
    }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

static int json_confusion(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, ",\"confusion\":[");

    for (size_t i = 0; !rc && i < result->cell_count; i++) {
        const struct lam_eval_cell *cell = &result->cells[i];

        if ((rc = lam_buf_addf(out, err, "%s{\"truth\":", i ? "," : "")) || (rc = lam_buf_add_json(out, cell->truth, err)) ||
            (rc = lam_buf_addf(out, err, ",\"answer\":")) ||
            (rc = cell->answer.len ? lam_buf_add_json(out, cell->answer, err) : lam_buf_addf(out, err, "null")))
            return rc;
        rc = lam_buf_addf(out, err, ",\"records\":%" PRIu64 "}", cell->records);
    }
    return rc ? rc : lam_buf_addf(out, err, "]");
}

int lam_eval_json(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err,
                          "\"labelled\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"right\":%" PRIu64
                          ",\"accuracy\":%.6f,\"accuracy_of_answered\":%.6f,\"macro_f1\":%.6f,\"calibration_error\":%.6f,\"coverage\":[",
                          result->records, result->answered, result->right, result->accuracy, result->accuracy_answered, result->macro_f1,
                          result->calibration_error);

    for (int i = 0; !rc && i < LAM_EVAL_SHARES; i++)
        rc = lam_buf_addf(out, err, "%s{\"share\":%.2f,\"records\":%" PRIu64 ",\"confidence\":%.6f,\"accuracy\":%.6f}", i ? "," : "", result->shares[i].share,
                          result->shares[i].records, result->shares[i].confidence, result->shares[i].accuracy);
    if (!rc)
        rc = lam_buf_addf(out, err, "],\"bins\":[");
    for (int i = 0; !rc && i < LAM_EVAL_BINS; i++)
        rc = lam_buf_addf(out, err, "%s{\"from\":%.1f,\"records\":%" PRIu64 ",\"right\":%" PRIu64 ",\"confidence\":%.6f}", i ? "," : "", i / (double)LAM_EVAL_BINS,
                          result->bins[i].records, result->bins[i].right, result->bins[i].confidence);
    if (rc || (rc = lam_buf_addf(out, err, "]")) || (rc = json_labels(result, out, err)))
        return rc;
    return json_confusion(result, out, err);
}

/* --- for people --- */

static int name_width(const struct lam_eval_result *result)
{
    size_t width = 12;

    for (size_t i = 0; i < result->label_count; i++)
        width = result->labels[i].name.len > width ? result->labels[i].name.len : width;
    return width > NAME_WIDTH ? NAME_WIDTH : (int)width;
}

static int shown(struct lam_sv name, int width) { return name.len < (size_t)width ? (int)name.len : width; }

static uint64_t cell(const struct lam_eval_result *result, struct lam_sv truth, struct lam_sv answer)
{
    for (size_t i = 0; i < result->cell_count; i++)
        if (lam_sv_eq(result->cells[i].truth, truth) && lam_sv_eq(result->cells[i].answer, answer))
            return result->cells[i].records;
    return 0;
}

static int text_square(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    int width = name_width(result), rc = lam_buf_addf(out, err, "\n  %-*s", width, "truth \\ answer");

    for (size_t i = 0; !rc && i < result->label_count; i++)
        rc = lam_buf_addf(out, err, " %10.*s", shown(result->labels[i].name, 10), result->labels[i].name.ptr);
    if (!rc)
        rc = lam_buf_addf(out, err, " %10s\n", "none");
    for (size_t i = 0; !rc && i < result->label_count; i++) {
        struct lam_sv truth = result->labels[i].name;

        if (!result->labels[i].truth)
            continue;
        rc = lam_buf_addf(out, err, "  %-*.*s", width, shown(truth, width), truth.ptr);
        for (size_t j = 0; !rc && j < result->label_count; j++)
            rc = lam_buf_addf(out, err, " %10" PRIu64, cell(result, truth, result->labels[j].name));
        if (!rc)
            rc = lam_buf_addf(out, err, " %10" PRIu64 "\n", cell(result, truth, lam_sv("", 0)));
    }
    return rc;
}

static int by_records(const void *a, const void *b)
{
    const struct lam_eval_cell *x = *(const struct lam_eval_cell *const *)a, *y = *(const struct lam_eval_cell *const *)b;

    return x->records != y->records ? (x->records < y->records ? 1 : -1) : (x > y) - (x < y);
}

static int text_errors(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    const struct lam_eval_cell **cells = malloc((result->cell_count + 1) * sizeof *cells);
    size_t count = 0;
    int rc = cells ? lam_buf_addf(out, err, "\n  commonest errors\n") : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a table");

    for (size_t i = 0; !rc && i < result->cell_count; i++)
        if (!lam_sv_eq(result->cells[i].truth, result->cells[i].answer))
            cells[count++] = &result->cells[i];
    if (count)
        qsort(cells, count, sizeof *cells, by_records);
    for (size_t i = 0; !rc && i < count && i < ERRORS_SHOWN; i++) {
        struct lam_sv answer = cells[i]->answer.len ? cells[i]->answer : LAM_SV("(none)");

        rc = lam_buf_addf(out, err, "  %10" PRIu64 "  %.*s, taken for %.*s\n", cells[i]->records, LAM_SV_ARG(cells[i]->truth), LAM_SV_ARG(answer));
    }
    free(cells);
    return rc;
}

int lam_eval_text(const struct lam_eval_result *result, struct lam_buf *out, struct lam_error *err)
{
    int width = name_width(result);
    int rc = lam_buf_addf(out, err,
                          "  accuracy            %.3f\n  macro F1            %.3f\n  answered            %" PRIu64 " of %" PRIu64
                          " (%.1f %%), %.3f of these are right\n  calibration error   %.3f (%d bins)\n  accuracy of the surest",
                          result->accuracy, result->macro_f1, result->answered, result->records,
                          result->records ? 100 * (double)result->answered / (double)result->records : 0.0, result->accuracy_answered, result->calibration_error,
                          LAM_EVAL_BINS);

    for (int i = 0; !rc && i < LAM_EVAL_SHARES; i++)
        rc = lam_buf_addf(out, err, "%s %.0f %% %.3f", i ? "," : "", 100 * result->shares[i].share, result->shares[i].accuracy);
    if (!rc)
        rc = lam_buf_addf(out, err, "\n\n  %-*s %10s %10s %10s %10s %10s\n", width, "label", "records", "answers", "precision", "recall", "F1");
    for (size_t i = 0; !rc && i < result->label_count; i++) {
        const struct lam_eval_label *label = &result->labels[i];

        rc = lam_buf_addf(out, err, "  %-*.*s %10" PRIu64 " %10" PRIu64 " %10.3f %10.3f %10.3f\n", width, shown(label->name, width), label->name.ptr, label->truth,
                          label->answers, label->precision, label->recall, label->f1);
    }
    if (rc)
        return rc;
    return result->label_count <= SQUARE_MAX ? text_square(result, out, err) : text_errors(result, out, err);
}
