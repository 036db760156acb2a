/* Model artifacts of the built-in analyzer: foreign bytes are refused, or give a model that writes the same bytes and answers with numbers. */
#include <lamina/block.h>

#include <math.h>
#include <stdlib.h>

#include "ai/builtin/builtin.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct lam_builtin_model *model)
{
    struct lam_label *labels = calloc(model->label_count + 1u, sizeof *labels);
    struct lam_tasks tasks = {
        .wanted = 127, .labels = labels, .label_count = model->label_count, .sentences = 1, .max_keywords = 4, .dim = 8};
    struct lam_row row = {.rec = {.text = LAM_SV("the war of the game on the market. Software 日本 from Mr. Example of Rome.")}};
    struct lam_block *block = lam_block_new(1, (size_t)1 << 20);
    struct lam_analyzer *analyzer;
    struct lam_error err;

    for (uint32_t i = 0; i < model->label_count; i++)
        labels[i].name = model->labels[i];
    if (!lam_builtin_open_with_model(&tasks, model, 1, &analyzer, &err)) {
        if (lam_block_add_row(block, &row, &err) || lam_analyzer_builtin.submit(analyzer, block, 0, 1, NULL, &err) ||
            !(lam_block_row(block, 0)->enr.confidence >= 0 && lam_block_row(block, 0)->enr.confidence <= 1) ||
            !(fabsf(lam_block_row(block, 0)->enr.sentiment) <= 1) || !(fabsf(lam_block_row(block, 0)->enr.embedding[0]) <= 1))
            abort();
        lam_analyzer_builtin.close(analyzer);
    }
    lam_block_free(block);
    free(labels);
}

/* The checksum is made right first, or no invented byte would ever get past it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_builtin_model *model;
    struct lam_error err;
    struct lam_buf buf;
    char *bytes = malloc(size ? size : 1);

    memcpy(bytes, data, size);
    if (size > 4) {
        uint32_t crc = lam_crc32c(0, bytes, size - 4);

        for (int i = 0; i < 4; i++)
            bytes[size - 4 + (size_t)i] = (char)(crc >> 8 * i);
    }
    if (!lam_builtin_model_read(lam_sv(bytes, size), &model, &err)) {
        lam_buf_init(&buf, size);
        if (lam_builtin_model_write(model, &buf, &err) || buf.len != size)
            abort();
        use(model);
        lam_buf_release(&buf);
        lam_builtin_model_free(model);
    }
    free(bytes);
    return 0;
}
