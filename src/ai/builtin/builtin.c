#include "builtin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "classify.h"
#include "embed.h"
#include "entities.h"
#include "features.h"
#include "keywords.h"
#include "language.h"
#include "readability.h"
#include "sentences.h"
#include "sentiment.h"
#include "summary.h"
#include "title.h"

#define TICKETS 64
#define SUMMARY_BYTES (LAM_SUMMARY_SENTENCES * (LAM_SUMMARY_SENTENCE + 16))
#define KEYWORD_BYTES (LAM_KEYWORDS_MAX * (6 * 3 * (LAM_WORD_MAX + 8) + 3) + 2)
#define STRUCTURE_BYTES ((size_t)16 << 10) /* a larger structure is left as it is, without readability */
#define READABILITY_HEAD "{\"readability\":{"
#define READABILITY_BYTES 64
#define ENTITY_BYTES (LAM_ENTITIES_JSON + 12 * LAM_ENTITY_VALUE + 256) /* the one that does not fit is taken back */

struct lam_analyzer {
    const struct lam_tasks *tasks;
    const struct lam_builtin_model *model; /* NULL: by the descriptions */
    uint32_t number;
    struct lam_lexicon lexicon;
    struct lam_tokens tokens;
    struct lam_sentences sentences;
    struct lam_summary summary;
    struct lam_keywords keywords;
    struct lam_features features;
    struct lam_label_words words;
    struct lam_name_words names;
    struct lam_patterns *patterns;
    double *scores, *prior; /* [label_count] */
    int32_t *sums;          /* [dim] */
    struct lam_buf out;
    void *tickets[TICKETS]; /* a ring */
    size_t ticket_first, ticket_count;
};

void lam_builtin_space_of(uint32_t dim, const struct lam_builtin_model *model, uint32_t number, char text[LAM_BUILTIN_SPACE_TEXT])
{
    if (model && model->corpus.count)
        snprintf(text, LAM_BUILTIN_SPACE_TEXT, "hash-%u/2+m%u", dim, number);
    else
        snprintf(text, LAM_BUILTIN_SPACE_TEXT, "hash-%u/2", dim);
}

void lam_builtin_space(uint32_t dim, char text[LAM_BUILTIN_SPACE_TEXT]) { lam_builtin_space_of(dim, NULL, 0, text); }

size_t lam_builtin_answer_max(const struct lam_tasks *tasks)
{
    size_t len = 0, longest = 0;

    for (size_t i = 0; i < tasks->label_count; i++)
        longest = tasks->labels[i].name.len > longest ? tasks->labels[i].name.len : longest;
    len += tasks->wanted & LAM_TASK_CLASSIFY ? longest + 16 : 0;
    if (tasks->wanted & LAM_TASK_CLASSIFY && tasks->multi_label > 0)
        len += (size_t)(1 / tasks->multi_label + 1) * (6 * longest + 40) + 48;
    len += tasks->wanted & LAM_TASK_ENTITIES ? LAM_ENTITIES_JSON + 16 : 0;
    len += tasks->wanted & LAM_TASK_SUMMARIZE ? SUMMARY_BYTES + 16 : 0;
    len += tasks->wanted & LAM_TASK_KEYWORDS ? KEYWORD_BYTES + 16 : 0;
    len += tasks->wanted & LAM_TASK_TITLE ? LAM_TITLE_BYTES + 16 : 0;
    len += tasks->wanted & LAM_TASK_READABILITY ? STRUCTURE_BYTES + READABILITY_BYTES + 16 : 0;
    len += tasks->wanted & LAM_TASK_EMBED ? tasks->dim * sizeof(float) + 16 + LAM_BUILTIN_SPACE_TEXT + 16 : 0;
    return len;
}

static void close_handle(struct lam_analyzer *analyzer)
{
    if (!analyzer)
        return;
    lam_buf_release(&analyzer->out);
    free(analyzer->sums);
    free(analyzer->prior);
    free(analyzer->scores);
    lam_patterns_free(analyzer->patterns);
    lam_name_words_release(&analyzer->names);
    lam_label_words_release(&analyzer->words);
    lam_features_release(&analyzer->features);
    lam_keywords_release(&analyzer->keywords);
    lam_summary_release(&analyzer->summary);
    lam_sentences_release(&analyzer->sentences);
    lam_tokens_release(&analyzer->tokens);
    lam_lexicon_release(&analyzer->lexicon);
    free(analyzer);
}

static int check_model(const struct lam_tasks *tasks, const struct lam_builtin_model *model, struct lam_error *err)
{
    if (!model)
        return 0;
    if (model->label_count != tasks->label_count)
        return LAM_FAIL(err, LAM_E_INVALID, "the model knows %u labels, the job has %zu", model->label_count, tasks->label_count);
    for (size_t i = 0; i < tasks->label_count; i++)
        if (!lam_sv_eq(model->labels[i], tasks->labels[i].name))
            return LAM_FAIL(err, LAM_E_INVALID, "label %zu is \"%.*s\" in the model and \"%.*s\" in the job", i + 1,
                            LAM_SV_ARG(model->labels[i]), LAM_SV_ARG(tasks->labels[i].name));
    return 0;
}

int lam_builtin_open_with_model(const struct lam_tasks *tasks, const struct lam_builtin_model *model, uint32_t number,
                                struct lam_analyzer **analyzer, struct lam_error *err)
{
    struct lam_analyzer *made;
    int rc;

    *analyzer = NULL;
    if (tasks->wanted & LAM_TASK_EMBED && (tasks->dim == 0 || tasks->dim > LAM_BUILTIN_DIM_MAX))
        return LAM_FAIL(err, LAM_E_INVALID, "embeddings of %u dimensions: 1 to %d", tasks->dim, LAM_BUILTIN_DIM_MAX);
    if ((rc = check_model(tasks, model, err)))
        return rc;
    if (!(made = calloc(1, sizeof *made)))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for an analyzer");
    made->tasks = tasks;
    made->model = model;
    made->number = number;
    lam_tokens_init(&made->tokens, &made->lexicon);
    made->tokens.corpus = model ? &model->corpus : NULL;
    lam_buf_init(&made->out, ENTITY_BYTES > KEYWORD_BYTES ? ENTITY_BYTES : KEYWORD_BYTES);
    made->scores = calloc(tasks->label_count + 1, sizeof *made->scores);
    made->prior = calloc(tasks->label_count + 1, sizeof *made->prior);
    made->sums = calloc(tasks->dim + 1u, sizeof *made->sums);
    if (!made->scores || !made->prior || !made->sums)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for an analyzer of %zu labels", tasks->label_count);
    if (!rc)
        rc = lam_lexicon_init(&made->lexicon, err);
    if (!rc && tasks->wanted & LAM_TASK_ENTITIES && !(rc = lam_name_words_init(&made->names, err)))
        rc = lam_patterns_new(tasks, &made->patterns, err);
    if (!rc)
        rc = lam_label_words_init(&made->words, tasks->labels, tasks->wanted & LAM_TASK_CLASSIFY ? tasks->label_count : 0, &made->tokens,
                                  err);
    if (rc) {
        close_handle(made);
        return LAM_PASS(err, rc, "open the built-in analyzer");
    }
    *analyzer = made;
    return 0;
}

static int open_handle(const struct lam_tasks *tasks, struct lam_analyzer **analyzer, struct lam_error *err)
{
    return lam_builtin_open_with_model(tasks, NULL, 0, analyzer, err);
}

/* The answer's string, moved to the block. */
static int keep(struct lam_block *block, struct lam_sv bytes, struct lam_sv *out, struct lam_error *err)
{
    char *ptr = bytes.len ? lam_block_alloc(block, bytes.len) : NULL;

    if (bytes.len && !ptr)
        return LAM_FAIL(err, LAM_E_LIMIT, "the block has no room for an answer of %zu bytes", bytes.len);
    if (bytes.len)
        memcpy(ptr, bytes.ptr, bytes.len);
    *out = lam_sv(bytes.len ? ptr : "", bytes.len);
    return 0;
}

/* The model's answer, mixed with that of the descriptions as in training. */
static int classify_by_model(struct lam_analyzer *analyzer, uint32_t *label, float *confidence, struct lam_error *err)
{
    const struct lam_builtin_model *model = analyzer->model;
    uint32_t best = 0;
    double told;
    int rc;

    if ((rc = lam_features_weigh(&analyzer->features, &analyzer->tokens, model, err)))
        return rc;
    told = lam_label_prior(&analyzer->words, &analyzer->tokens, &analyzer->features, model, analyzer->prior);
    *label = UINT32_MAX;
    *confidence = 0;
    if (analyzer->features.found_count) {
        lam_features_score(&analyzer->features, model, analyzer->scores);
        lam_label_softmax(analyzer->scores, model->label_count, 1);
        for (uint32_t i = 0; i < model->label_count; i++) {
            if (told > 0)
                analyzer->scores[i] = (1 - model->mix) * analyzer->scores[i] + model->mix * analyzer->prior[i];
            if (analyzer->scores[i] > analyzer->scores[best])
                best = i;
        }
        *label = best;
        *confidence = (float)analyzer->scores[best];
    }
    lam_features_forget(&analyzer->features);
    return 0;
}

/* The surest label that is told after one of probability below, at place after; UINT32_MAX: no more reach the threshold. */
static uint32_t next_label(const struct lam_analyzer *analyzer, double below, uint32_t after)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < analyzer->tasks->label_count; i++) {
        double score = analyzer->scores[i];

        if (score < analyzer->tasks->multi_label || score > below || (score >= below && i <= after && after != UINT32_MAX))
            continue;
        if (best == UINT32_MAX || score > analyzer->scores[best])
            best = i;
    }
    return best;
}

/* {"categories":[{"name":…,"confidence":…},…]}: all labels that reach the job's threshold, the surest first. */
static int tell_labels(struct lam_analyzer *analyzer, struct lam_block *block, struct lam_enrichment *enr, struct lam_error *err)
{
    struct lam_buf *out = &analyzer->out;
    uint32_t label = UINT32_MAX;
    double score = 2;
    bool first = true;
    int rc;

    lam_buf_clear(out);
    rc = lam_buf_addf(out, err, "{\"categories\":[");
    while (!rc && (label = next_label(analyzer, score, label)) != UINT32_MAX) {
        score = analyzer->scores[label];
        if (!(rc = lam_buf_addf(out, err, "%s{\"name\":", first ? "" : ",")) && !(rc = lam_buf_add_json(out, analyzer->tasks->labels[label].name, err)))
            rc = lam_buf_addf(out, err, ",\"confidence\":%.4f}", score);
        first = false;
    }
    if (!rc && !(rc = lam_buf_addf(out, err, "]}")))
        rc = keep(block, lam_buf_sv(out), &enr->custom, err);
    return rc;
}

static int classify(struct lam_analyzer *analyzer, struct lam_block *block, struct lam_enrichment *enr, struct lam_error *err)
{
    uint32_t label;
    int rc = 0;

    if (analyzer->model && analyzer->model->label_count)
        rc = classify_by_model(analyzer, &label, &enr->confidence, err);
    else
        label = lam_label_classify(&analyzer->words, &analyzer->tokens, analyzer->scores, &enr->confidence);
    if (rc || label == UINT32_MAX)
        return rc;
    if ((rc = keep(block, analyzer->tasks->labels[label].name, &enr->category, err)) || !(analyzer->tasks->multi_label > 0))
        return rc;
    return tell_labels(analyzer, block, enr, err);
}

static int embed(struct lam_analyzer *analyzer, enum lam_language language, struct lam_block *block, struct lam_enrichment *enr,
                 struct lam_error *err)
{
    uint32_t dim = analyzer->tasks->dim;
    float *embedding = lam_block_alloc(block, dim * sizeof *embedding);
    char space[LAM_BUILTIN_SPACE_TEXT];

    if (!embedding)
        return LAM_FAIL(err, LAM_E_LIMIT, "the block has no room for an embedding");
    if (lam_embed(&analyzer->tokens, language, dim, analyzer->sums, embedding)) {
        lam_builtin_space_of(dim, analyzer->model, analyzer->number, space);
        enr->space = lam_block_keep(block, lam_sv_of(space));
        if (!enr->space.ptr)
            return LAM_FAIL(err, LAM_E_LIMIT, "the block has no room for an embedding");
        enr->embedding = embedding;
        enr->dim = dim;
    }
    return 0;
}

static int make_title(struct lam_analyzer *analyzer, enum lam_language language, struct lam_block *block, struct lam_record *rec,
                      struct lam_error *err)
{
    int rc;

    lam_buf_clear(&analyzer->out);
    if ((rc = lam_title_make(&analyzer->tokens, &analyzer->sentences, language, &analyzer->out, err)) || !analyzer->out.len)
        return rc;
    if (!(rc = keep(block, lam_buf_sv(&analyzer->out), &rec->title, err)))
        rec->flags |= LAM_ROW_TITLE_MADE;
    return rc;
}

/* The structure without what an earlier analysis put at its beginning. */
static struct lam_sv bare_structure(struct lam_sv structure)
{
    size_t head = sizeof READABILITY_HEAD - 1;
    const char *end;

    if (structure.len > head && !memcmp(structure.ptr, READABILITY_HEAD, head) && (end = memchr(structure.ptr, '}', structure.len)))
        return lam_sv(end + 1, structure.len - (size_t)(end + 1 - structure.ptr)); /* ",…}", or "}" */
    return structure.len > 2 ? lam_sv(structure.ptr + 1, structure.len - 1) : LAM_SV("}");
}

static int make_readability(struct lam_analyzer *analyzer, bool english, struct lam_block *block, struct lam_record *rec,
                            struct lam_error *err)
{
    struct lam_readability found = lam_readability_of(&analyzer->tokens, &analyzer->sentences, english);
    struct lam_sv rest = bare_structure(rec->structure);
    struct lam_buf *out = &analyzer->out;
    int rc, size = found.tenths < 0 ? -found.tenths : found.tenths;

    if (!found.measure || rest.len > STRUCTURE_BYTES)
        return 0;
    lam_buf_clear(out);
    if ((rc = lam_buf_addf(out, err, READABILITY_HEAD "\"measure\":\"%s\",\"score\":%s%d.%d}%s", found.measure, found.tenths < 0 ? "-" : "",
                           size / 10, size % 10, rest.ptr[0] == '"' ? "," : "")) ||
        (rc = lam_buf_add_sv(out, rest, err)))
        return rc;
    return keep(block, lam_buf_sv(out), &rec->structure, err);
}

static int find_entities(struct lam_analyzer *analyzer, const struct lam_record *rec, enum lam_language language, struct lam_error *err)
{
    struct lam_entity_options options = {.now_us = rec->event_time_us != LAM_TIME_NONE ? rec->event_time_us : rec->arrival_us,
                                         .words = &analyzer->names,
                                         .gazetteer = analyzer->model ? analyzer->model->gazetteer : NULL,
                                         .patterns = analyzer->patterns,
                                         .language = language,
                                         .country = analyzer->tasks->country};

    return lam_entities_find(&analyzer->tokens, &options, &analyzer->out, err);
}

static int answer(struct lam_analyzer *analyzer, struct lam_block *block, struct lam_record *rec, struct lam_enrichment *enr,
                  struct lam_error *err)
{
    uint32_t wanted = analyzer->tasks->wanted;
    struct lam_buf *out = &analyzer->out;
    enum lam_language language;
    const char *code;
    int rc;

    if ((rc = lam_tokens_read(&analyzer->tokens, lam_utf8_cut(rec->title, LAM_BUILTIN_TITLE_MAX),
                              lam_utf8_cut(rec->text, LAM_BUILTIN_TEXT_MAX), err)))
        return rc;
    code = lam_language_detect(&analyzer->tokens, &language);
    if (wanted & LAM_TASK_LANGUAGE)
        enr->language = lam_sv_of(code ? code : "");
    if (wanted & (LAM_TASK_SUMMARIZE | LAM_TASK_SENTIMENT | LAM_TASK_TITLE | LAM_TASK_READABILITY) &&
        (rc = lam_sentences_split(&analyzer->sentences, &analyzer->tokens, err)))
        return rc;
    if (wanted & LAM_TASK_SENTIMENT)
        enr->sentiment = lam_sentiment_score(&analyzer->tokens, &analyzer->sentences);
    if (wanted & LAM_TASK_CLASSIFY && (rc = classify(analyzer, block, enr, err)))
        return rc;
    if (wanted & LAM_TASK_ENTITIES) {
        lam_buf_clear(out);
        if ((rc = find_entities(analyzer, rec, language, err)) || (rc = keep(block, lam_buf_sv(out), &enr->entities, err)))
            return rc;
    }
    if (wanted & LAM_TASK_SUMMARIZE) {
        lam_buf_clear(out);
        if ((rc = lam_summary_make(&analyzer->summary, &analyzer->tokens, &analyzer->sentences, language,
                                   analyzer->tasks->sentences ? analyzer->tasks->sentences : 2, out, err)) ||
            (rc = keep(block, lam_buf_sv(out), &enr->summary, err)))
            return rc;
    }
    if (wanted & LAM_TASK_KEYWORDS) {
        lam_buf_clear(out);
        if ((rc = lam_keywords_find(&analyzer->keywords, &analyzer->tokens, language,
                                    analyzer->tasks->max_keywords ? analyzer->tasks->max_keywords : 8, out, err)) ||
            (rc = keep(block, lam_buf_sv(out), &enr->keywords, err)))
            return rc;
    }
    if (wanted & LAM_TASK_READABILITY && (rc = make_readability(analyzer, code && language == LAM_LANG_EN, block, rec, err)))
        return rc;
    if (wanted & LAM_TASK_TITLE && !rec->title.len && (rc = make_title(analyzer, language, block, rec, err)))
        return rc;
    return wanted & LAM_TASK_EMBED ? embed(analyzer, language, block, enr, err) : 0;
}

/* Empties what this analyzer answers; layer, depth and time stay the caller's. */
static void clear(struct lam_enrichment *enr, uint32_t number)
{
    enr->category = enr->entities = enr->summary = enr->language = enr->keywords = lam_sv("", 0);
    enr->confidence = 0;
    enr->sentiment = NAN;
    enr->embedding = NULL;
    enr->dim = 0;
    enr->space = lam_sv("", 0);
    enr->analyzer = LAM_SV("builtin");
    enr->model = number;
    enr->prompt = enr->tokens = 0;
}

static int submit(struct lam_analyzer *analyzer, struct lam_block *block, size_t first, size_t count, void *ticket, struct lam_error *err)
{
    int rc = 0;

    if (analyzer->ticket_count == TICKETS)
        return LAM_PENDING;
    for (size_t i = first; i < first + count; i++) {
        struct lam_row *row = lam_block_row(block, i);

        clear(&row->enr, analyzer->number);
        if (row->rec.flags & LAM_ROW_TITLE_MADE) /* an earlier analysis' title is no part of the document */
            row->rec.title = lam_sv("", 0);
        row->rec.flags &= ~(uint32_t)(LAM_ROW_PENDING | LAM_ROW_NO_TEXT | LAM_ROW_TITLE_MADE);
        if (rc) {
            row->rec.flags |= LAM_ROW_PENDING; /* behind a row that failed */
            continue;
        }
        if (!row->rec.text.len && !row->rec.title.len) {
            row->rec.flags |= LAM_ROW_NO_TEXT;
            continue;
        }
        if ((rc = answer(analyzer, block, &row->rec, &row->enr, err))) {
            clear(&row->enr, analyzer->number);
            row->rec.flags |= LAM_ROW_PENDING;
        }
    }
    if (rc)
        return rc;
    analyzer->tickets[(analyzer->ticket_first + analyzer->ticket_count++) % TICKETS] = ticket;
    return 0;
}

static int poll_ticket(struct lam_analyzer *analyzer, void **ticket, struct lam_error *err)
{
    (void)err;
    if (!analyzer->ticket_count)
        return LAM_END;
    *ticket = analyzer->tickets[analyzer->ticket_first];
    analyzer->ticket_first = (analyzer->ticket_first + 1) % TICKETS;
    analyzer->ticket_count--;
    return 0;
}

const struct lam_analyzer_ops lam_analyzer_builtin = {"builtin", open_handle, submit, poll_ticket, close_handle};
