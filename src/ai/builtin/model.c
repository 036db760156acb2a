#include "model.h"

#include <stdlib.h>

#include "base/hash.h"
#include "gazetteer.h"
#include "model_bytes.h"

#define MAGIC "LAMBLT2\n"
#define FORMAT 2
#define HEAD 32
#define ENTRY 24  /* of the table */
#define SECTIONS 4 /* kinds that there are */

int lam_builtin_model_new(struct lam_builtin_model **model, struct lam_error *err)
{
    *model = calloc(1, sizeof **model);
    return *model ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a model");
}

void lam_builtin_model_free(struct lam_builtin_model *model)
{
    if (!model)
        return;
    lam_builtin_classifier_release(model);
    lam_corpus_release(&model->corpus);
    lam_gazetteer_free(model->gazetteer);
    free(model);
}

uint64_t lam_builtin_tasks_digest(const struct lam_tasks *tasks)
{
    uint64_t digest = 0x6c616d696e61u + tasks->label_count;

    for (size_t i = 0; i < tasks->label_count; i++) {
        uint64_t parts[3] = {digest, lam_hash64(tasks->labels[i].name.ptr, tasks->labels[i].name.len),
                             lam_hash64(tasks->labels[i].description.ptr, tasks->labels[i].description.len)};
        unsigned char bytes[24];

        for (int k = 0; k < 24; k++) /* little-endian, wherever this runs */
            bytes[k] = (unsigned char)(parts[k / 8] >> 8 * (k % 8));
        digest = lam_hash64(bytes, sizeof bytes);
    }
    return digest;
}

void lam_builtin_model_link(struct lam_builtin_model *model)
{
    for (uint32_t i = 0; i < model->corpus.count && model->label_count; i++)
        model->corpus.words[i].feature = (lam_builtin_model_find(model, model->corpus.words[i].hash) + 1) & 0xffffff;
}

static bool has_section(const struct lam_builtin_model *model, uint32_t kind)
{
    switch (kind) {
    case LAM_SECTION_CLASSIFIER: return model->label_count > 0;
    case LAM_SECTION_WORDS: return model->corpus.count > 0;
    case LAM_SECTION_NAMES: return model->gazetteer && model->gazetteer->count > 0;
    case LAM_SECTION_VALENCES: return lam_corpus_valences(&model->corpus) > 0;
    }
    return false;
}

static int write_section(const struct lam_builtin_model *model, uint32_t kind, struct lam_buf *buf, struct lam_error *err)
{
    switch (kind) {
    case LAM_SECTION_CLASSIFIER: return lam_builtin_classifier_write(model, buf, err);
    case LAM_SECTION_WORDS: return lam_corpus_write_words(&model->corpus, buf, err);
    case LAM_SECTION_NAMES: return lam_gazetteer_write(model->gazetteer, buf, err);
    }
    return lam_corpus_write_valences(&model->corpus, buf, err);
}

static int read_section(struct lam_builtin_model *model, uint32_t kind, struct lam_sv bytes, struct lam_error *err)
{
    switch (kind) {
    case LAM_SECTION_CLASSIFIER: return lam_builtin_classifier_read(model, bytes, err);
    case LAM_SECTION_WORDS: return lam_corpus_read_words(&model->corpus, bytes, model->document_count, err);
    case LAM_SECTION_NAMES: return lam_gazetteer_read(bytes, &model->gazetteer, err);
    case LAM_SECTION_VALENCES: return lam_corpus_read_valences(&model->corpus, bytes, err);
    }
    return LAM_FAIL(err, LAM_E_CORRUPT, "a section of kind %u", kind);
}

/* Writes a number where room for it was left. */
static void patch64(char *at, uint64_t value)
{
    for (int k = 0; k < 8; k++)
        at[k] = (char)(value >> 8 * k);
}

int lam_builtin_model_write(const struct lam_builtin_model *model, struct lam_buf *buf, struct lam_error *err)
{
    size_t begun = buf->len, entry;
    uint32_t sections = 0;
    int rc;

    for (uint32_t kind = 1; kind <= SECTIONS; kind++)
        sections += has_section(model, kind);
    if ((rc = lam_buf_add(buf, MAGIC, 8, err)) || (rc = lam_put32(buf, FORMAT, err)) || (rc = lam_put32(buf, sections, err)) ||
        (rc = lam_put64(buf, model->tasks_digest, err)) || (rc = lam_put32(buf, model->document_count, err)) ||
        (rc = lam_put32(buf, 0, err)))
        return rc;
    entry = buf->len;
    for (uint32_t i = 0; i < sections * ENTRY / 8; i++)
        if ((rc = lam_put64(buf, 0, err)))
            return rc;
    for (uint32_t kind = 1; kind <= SECTIONS; kind++) {
        size_t start = buf->len;

        if (!has_section(model, kind))
            continue;
        if ((rc = write_section(model, kind, buf, err)))
            return rc;
        patch64(buf->ptr + entry, kind);
        patch64(buf->ptr + entry + 8, start - begun);
        patch64(buf->ptr + entry + 16, buf->len - start);
        entry += ENTRY;
    }
    return lam_put32(buf, lam_crc32c(0, buf->ptr + begun, buf->len - begun), err);
}

static int read_sections(struct lam_builtin_model *model, struct lam_sv bytes, struct lam_error *err)
{
    uint32_t sections = lam_get32(bytes.ptr + 12);
    uint64_t at = HEAD + (uint64_t)sections * ENTRY, end = bytes.len - 4, last = 0;
    int rc;

    if (sections > SECTIONS || at > end || lam_get32(bytes.ptr + 28))
        return LAM_FAIL(err, LAM_E_CORRUPT, "%u sections in %zu bytes", sections, bytes.len);
    for (uint32_t i = 0; i < sections; i++) {
        const char *entry = bytes.ptr + HEAD + (size_t)i * ENTRY;
        uint64_t kind = lam_get64(entry), offset = lam_get64(entry + 8), len = lam_get64(entry + 16);

        if (kind <= last || kind > SECTIONS || offset != at || len > end - at)
            return LAM_FAIL(err, LAM_E_CORRUPT, "section %u of the model is not where it should be", i + 1);
        if ((rc = read_section(model, (uint32_t)kind, lam_sv(bytes.ptr + at, len), err)))
            return rc;
        at += len;
        last = kind;
    }
    return at == end ? 0 : LAM_FAIL(err, LAM_E_CORRUPT, "%zu bytes behind the sections of the model", (size_t)(end - at));
}

int lam_builtin_model_read(struct lam_sv bytes, struct lam_builtin_model **model, struct lam_error *err)
{
    int rc;

    *model = NULL;
    if (bytes.len < HEAD + 4 || memcmp(bytes.ptr, MAGIC, 8))
        return LAM_FAIL(err, LAM_E_CORRUPT, "not a model of the built-in analyzer");
    if (lam_get32(bytes.ptr + 8) != FORMAT)
        return LAM_FAIL(err, LAM_E_CORRUPT, "model format %u: this program reads %d", lam_get32(bytes.ptr + 8), FORMAT);
    if (bytes.len > LAM_BUILTIN_MODEL_MAX)
        return LAM_FAIL(err, LAM_E_CORRUPT, "a model of %zu bytes: at most %zu", bytes.len, LAM_BUILTIN_MODEL_MAX);
    if (lam_get32(bytes.ptr + bytes.len - 4) != lam_crc32c(0, bytes.ptr, bytes.len - 4))
        return LAM_FAIL(err, LAM_E_CORRUPT, "checksum of the model is wrong");
    if ((rc = lam_builtin_model_new(model, err)))
        return rc;
    (*model)->tasks_digest = lam_get64(bytes.ptr + 16);
    (*model)->document_count = lam_get32(bytes.ptr + 24);
    if (!(rc = read_sections(*model, bytes, err))) {
        lam_builtin_model_link(*model);
        return 0;
    }
    lam_builtin_model_free(*model);
    *model = NULL;
    return rc;
}
