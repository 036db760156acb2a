/*
 * The whole built-in analyzer over foreign bytes. Input: words of two labels, a title and a text, each ended by a 0 byte; what has fewer
 * is all text. Answers must be sane, and the same from a fresh handle as from one that has seen other texts.
 */
#include <lamina/block.h>

#include <math.h>

#include "ai/builtin/builtin.h"
#include "base/utf8.h"
#include "fuzz.h"

static void check_row(const struct lam_row *row)
{
    const struct lam_enrichment *enr = &row->enr;
    double norm = 0;

    CHECK(!(row->rec.flags & LAM_ROW_PENDING));
    CHECK(enr->confidence >= 0 && enr->confidence <= 1);
    if (row->rec.flags & LAM_ROW_NO_TEXT)
        return;
    CHECK(enr->sentiment >= -1 && enr->sentiment <= 1);
    CHECK(enr->entities.len >= 2 && lam_utf8_valid(enr->entities) == enr->entities.len);
    CHECK(enr->keywords.len >= 2 && lam_utf8_valid(enr->keywords) == enr->keywords.len);
    CHECK(lam_utf8_valid(enr->summary) == enr->summary.len);
    for (uint32_t i = 0; enr->embedding && i < enr->dim; i++)
        norm += (double)enr->embedding[i] * enr->embedding[i];
    CHECK(!enr->embedding || fabs(norm - 1) < 1e-3);
}

static bool same(struct lam_sv a, struct lam_sv b) { return lam_sv_eq(a, b); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_label labels[2] = {{.name = LAM_SV("first")}, {.name = LAM_SV("second")}};
    struct lam_tasks tasks = {.wanted = 127 | LAM_TASK_TITLE | LAM_TASK_READABILITY, .labels = labels, .label_count = 2, .sentences = 2, .max_keywords = 8, .dim = 32};
    struct lam_row row = {0};
    struct lam_analyzer *analyzer, *fresh;
    struct lam_block *block;
    struct lam_error err;

    labels[0].description = fuzz_part(&data, &size);
    labels[1].description = fuzz_part(&data, &size);
    row.rec.title = fuzz_part(&data, &size);
    row.rec.text = lam_sv((const char *)data, size);
    block = lam_block_new(4, 4 * size + 4 * lam_builtin_answer_max(&tasks) + ((size_t)1 << 20));
    CHECK(block && !lam_analyzer_builtin.open(&tasks, &analyzer, &err) && !lam_analyzer_builtin.open(&tasks, &fresh, &err));
    CHECK(!lam_block_add_row(block, &row, &err) && !lam_block_add_row(block, &row, &err) && !lam_block_add_row(block, &row, &err));
    CHECK(!lam_analyzer_builtin.submit(analyzer, block, 0, 2, NULL, &err) && !lam_analyzer_builtin.submit(fresh, block, 2, 1, NULL, &err));
    for (size_t i = 0; i < 3; i++)
        check_row(lam_block_row(block, i));
    for (size_t i = 1; i < 3; i++) {
        const struct lam_enrichment *a = &lam_block_row(block, 0)->enr, *b = &lam_block_row(block, i)->enr;

        CHECK(same(a->category, b->category) && same(a->entities, b->entities) && same(a->summary, b->summary) &&
              same(a->language, b->language) && same(a->keywords, b->keywords) && a->dim == b->dim &&
              (!a->dim || !memcmp(a->embedding, b->embedding, a->dim * sizeof *a->embedding)));
    }
    lam_analyzer_builtin.close(fresh);
    lam_analyzer_builtin.close(analyzer);
    lam_block_free(block);
    return 0;
}
