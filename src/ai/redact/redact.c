#include "spans.h"

#include <stdlib.h>

#include "model/json.h"
#include "siphash.h"

#define ROW_MAX ((size_t)1 << 30) /* bytes of one masked string, and of a row's masked strings together */
#define JSON_DEPTH 200
#define NUMBER_LEAST 7 /* digits of a JSON number that may be a phone's or a card's */

void lam_redact_key(struct lam_sv secret, uint8_t key[LAM_REDACT_KEY])
{
    static const uint8_t halves[2][16] = {"lamina redact k0", "lamina redact k1"};

    for (int half = 0; half < 2; half++) {
        uint64_t hash = lam_siphash(halves[half], secret.ptr, secret.len);

        for (int i = 0; i < 8; i++)
            key[half * 8 + i] = (uint8_t)(hash >> 8 * i);
    }
}

static int check_kinds(const struct lam_redact_options *options, struct lam_error *err)
{
    for (size_t i = 0; i < options->kind_count; i++) {
        bool known = lam_entity_type_known(options->kinds[i]);

        for (size_t k = 0; k < options->tasks->pattern_count && !known; k++)
            known = lam_sv_eq(options->kinds[i], options->tasks->patterns[k].name);
        if (!known)
            return LAM_FAIL(err, LAM_E_INVALID, "\"%.*s\" is no kind of entities, and no pattern has this name",
                            LAM_SV_ARG(options->kinds[i]));
    }
    return 0;
}

int lam_redactor_new(const struct lam_redact_options *options, struct lam_redactor **redactor, struct lam_error *err)
{
    struct lam_redactor *made;
    int rc = check_kinds(options, err);

    *redactor = NULL;
    if (rc)
        return rc;
    if (!(made = calloc(1, sizeof *made)) || !(made->json = lam_json_new(ROW_MAX, JSON_DEPTH))) {
        free(made);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to mask entities");
    }
    made->tasks = options->tasks;
    made->kinds = options->kinds;
    made->kind_count = options->kind_count;
    memcpy(made->key, options->key, sizeof made->key);
    made->names = lam_redact_wanted(made, LAM_SV("person")) || lam_redact_wanted(made, LAM_SV("organization")) ||
                  lam_redact_wanted(made, LAM_SV("place"));
    lam_tokens_init(&made->tokens, &made->lexicon);
    lam_arena_init(&made->arena, ROW_MAX);
    lam_buf_init(&made->buf, ROW_MAX);
    lam_buf_init(&made->text, ROW_MAX);
    if ((rc = lam_lexicon_init(&made->lexicon, err)) || (rc = lam_name_words_init(&made->words, err)) ||
        (rc = lam_patterns_new(options->tasks, &made->patterns, err))) {
        lam_redactor_free(made);
        return LAM_PASS(err, rc, "mask entities");
    }
    *redactor = made;
    return 0;
}

void lam_redactor_free(struct lam_redactor *redactor)
{
    if (!redactor)
        return;
    lam_buf_release(&redactor->text);
    lam_buf_release(&redactor->buf);
    lam_arena_release(&redactor->arena);
    lam_patterns_free(redactor->patterns);
    lam_name_words_release(&redactor->words);
    lam_tokens_release(&redactor->tokens);
    lam_lexicon_release(&redactor->lexicon);
    lam_json_free(redactor->json);
    free(redactor->spans);
    free(redactor->masks);
    free(redactor);
}

/* The masked text of what buf holds. */
static int keep(struct lam_redactor *redactor, struct lam_sv *out, struct lam_error *err)
{
    *out = lam_arena_copy(&redactor->arena, lam_buf_sv(&redactor->buf));
    return out->ptr ? 0 : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a masked string of %zu bytes", redactor->buf.len);
}

/* A whole number of the parsed JSON. */
static bool offset_at(const struct lam_json *json, uint32_t entity, struct lam_sv name, size_t *offset)
{
    struct lam_number number;

    if (!lam_json_number(json, lam_json_field(json, entity, name), &number) || number.kind != LAM_NUMBER_I64 || number.i64 < 0)
        return false;
    *offset = (size_t)number.i64;
    return true;
}

static bool boundary(struct lam_sv text, size_t at)
{
    return at == text.len || (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) != 0x80);
}

/* An entity of the parsed array: whether its place in text can be believed. */
static bool place_of(const struct lam_json *json, uint32_t entity, struct lam_sv text, size_t *start, size_t *end)
{
    return offset_at(json, entity, LAM_SV("start"), start) && offset_at(json, entity, LAM_SV("end"), end) && *start < *end &&
           boundary(text, *start) && boundary(text, *end);
}

/* The row's entities become masks, and spans of its text. */
static int read_entities(struct lam_redactor *redactor, struct lam_sv text, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(redactor->json, LAM_JSON_ROOT);
    int rc = 0;

    while (!rc && lam_json_next(&iter)) {
        struct lam_sv kind = lam_json_string(redactor->json, lam_json_field(redactor->json, iter.value, LAM_SV("type")));
        struct lam_sv bytes = lam_json_string(redactor->json, lam_json_field(redactor->json, iter.value, LAM_SV("text")));
        struct lam_sv value = lam_json_string(redactor->json, lam_json_field(redactor->json, iter.value, LAM_SV("value")));
        char tag[LAM_REDACT_TAG];
        size_t start, end;

        if (!lam_redact_wanted(redactor, kind))
            continue;
        lam_redact_tag(redactor, kind, value.len ? value : bytes, tag);
        lam_redact_known(redactor, bytes, tag); /* Gonzalez, after Maria Gonzalez, is she */
        rc = lam_redact_add_mask(redactor, bytes, lam_sv_eq(kind, LAM_SV("person")), tag, err);
        if (!rc && place_of(redactor->json, iter.value, text, &start, &end))
            rc = lam_redact_add_span(redactor, start, end, false, tag, err);
    }
    return rc;
}

/* The offset in the masked text; *inside: the span that the offset is in, or NULL. */
static size_t moved(const struct lam_redactor *redactor, size_t offset, const struct lam_redact_span **inside)
{
    size_t at = offset;

    *inside = NULL;
    for (size_t i = 0; i < redactor->span_count && redactor->spans[i].start <= offset; i++) {
        const struct lam_redact_span *span = &redactor->spans[i];

        if (offset < span->end) {
            *inside = span;
            return at - (offset - span->start);
        }
        at += strlen(span->tag);
        at -= span->end - span->start;
    }
    return at;
}

/* One entity as it is shown: masked with its span, else with its new place; left out where a mask covers a part of it. */
static int add_entity(struct lam_redactor *redactor, uint32_t entity, struct lam_sv text, bool *first, struct lam_error *err)
{
    struct lam_json *json = redactor->json;
    struct lam_sv kind = lam_json_string(json, lam_json_field(json, entity, LAM_SV("type")));
    struct lam_sv shown = lam_json_string(json, lam_json_field(json, entity, LAM_SV("text")));
    struct lam_sv value = lam_json_string(json, lam_json_field(json, entity, LAM_SV("value")));
    const struct lam_redact_span *span, *behind;
    struct lam_buf *out = &redactor->buf;
    size_t start, end;
    int rc;

    if (!place_of(json, entity, text, &start, &end))
        return 0;
    start = moved(redactor, start, &span);
    end = moved(redactor, end - 1, &behind) + 1;
    if (span && span == behind && lam_redact_wanted(redactor, kind)) {
        shown = value = lam_sv_of(span->tag);
        end = start + shown.len;
    } else if (span || behind || end - start != shown.len) {
        return 0;
    }
    if ((rc = lam_buf_addf(out, err, "%s{\"type\":", *first ? "" : ",")) || (rc = lam_buf_add_json(out, kind, err)) ||
        (rc = lam_buf_addf(out, err, ",\"text\":")) || (rc = lam_buf_add_json(out, shown, err)) ||
        (rc = lam_buf_addf(out, err, ",\"value\":")) || (rc = lam_buf_add_json(out, value, err)))
        return rc;
    *first = false;
    return lam_buf_addf(out, err, ",\"start\":%zu,\"end\":%zu}", start, end);
}

static int show_entities(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv *out, struct lam_error *err)
{
    struct lam_json_iter iter = lam_json_iter(redactor->json, LAM_JSON_ROOT);
    bool first = true;
    int rc;

    lam_buf_clear(&redactor->buf);
    rc = lam_buf_add(&redactor->buf, "[", 1, err);
    while (!rc && lam_json_next(&iter))
        rc = add_entity(redactor, iter.value, text, &first, err);
    if (rc || (rc = lam_buf_add(&redactor->buf, "]", 1, err)))
        return rc;
    return keep(redactor, out, err);
}

/* A string of the row. */
static int mask_string(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv *out, struct lam_error *err)
{
    int rc;

    *out = text;
    redactor->span_count = 0;
    if (!text.len || (rc = lam_redact_find_spans(redactor, text, LAM_REDACT_EXACT, err)) || !redactor->span_count)
        return text.len ? rc : 0;
    lam_buf_clear(&redactor->buf);
    if ((rc = lam_redact_replace(redactor, text, &redactor->buf, err)))
        return rc;
    return keep(redactor, out, err);
}

/* A string or a number inside of JSON, added to buf; raw: as it was written. */
static int mask_scalar(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv raw, bool *changed, struct lam_error *err)
{
    int rc;

    redactor->span_count = 0;
    if ((rc = lam_redact_find_spans(redactor, text, redactor->reading, err)))
        return rc;
    if (!redactor->span_count)
        return lam_buf_add_sv(&redactor->buf, raw, err);
    *changed = true;
    lam_buf_clear(&redactor->text);
    if ((rc = lam_redact_replace(redactor, text, &redactor->text, err)))
        return rc;
    return lam_buf_add_json(&redactor->buf, lam_buf_sv(&redactor->text), err);
}

static int mask_value(struct lam_redactor *redactor, uint32_t at, bool *changed, struct lam_error *err)
{
    struct lam_json *json = redactor->json;
    enum lam_json_type type = lam_json_type(json, at);
    struct lam_json_iter iter;
    int rc = 0;

    if (type == LAM_JSON_STRING)
        return mask_scalar(redactor, lam_json_string(json, at), lam_json_raw(json, at), changed, err);
    if (type == LAM_JSON_NUMBER && lam_json_raw(json, at).len >= NUMBER_LEAST)
        return mask_scalar(redactor, lam_json_raw(json, at), lam_json_raw(json, at), changed, err);
    if (type != LAM_JSON_ARRAY && type != LAM_JSON_OBJECT)
        return lam_buf_add_sv(&redactor->buf, lam_json_raw(json, at), err);
    iter = lam_json_iter(json, at);
    rc = lam_buf_add(&redactor->buf, iter.object ? "{" : "[", 1, err);
    for (bool first = true; !rc && lam_json_next(&iter); first = false) {
        if ((!first && (rc = lam_buf_add(&redactor->buf, ",", 1, err))) ||
            (iter.object && ((rc = lam_buf_add_json(&redactor->buf, iter.name, err)) || (rc = lam_buf_add(&redactor->buf, ":", 1, err)))))
            return rc;
        rc = mask_value(redactor, iter.value, changed, err);
    }
    return rc ? rc : lam_buf_add(&redactor->buf, iter.object ? "}" : "]", 1, err);
}

/* A JSON text of the row; one that cannot be read is not shown. */
static int mask_json(struct lam_redactor *redactor, enum lam_redact_reading reading, struct lam_sv text, struct lam_sv *out,
                     struct lam_error *err)
{
    bool changed = false;
    int rc;

    *out = text;
    if (!text.len)
        return 0;
    if (lam_json_parse(redactor->json, text, NULL)) {
        *out = LAM_SV("null");
        return 0;
    }
    redactor->reading = reading;
    lam_buf_clear(&redactor->buf);
    if ((rc = mask_value(redactor, LAM_JSON_ROOT, &changed, err)) || !changed)
        return rc;
    return keep(redactor, out, err);
}

/* Begins a row: its masks, and the spans of its text by its entities. */
static int begin(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv entities, struct lam_error *err)
{
    lam_arena_reset(&redactor->arena);
    redactor->mask_count = redactor->span_count = 0;
    if (lam_json_parse(redactor->json, entities.len ? entities : LAM_SV("[]"), NULL) &&
        lam_json_parse(redactor->json, LAM_SV("[]"), err))
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory to mask entities");
    return read_entities(redactor, text, err);
}

/* The text with the spans of its entities, and more that are found. */
static int mask_text(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv *out, struct lam_error *err)
{
    int rc = lam_redact_find_spans(redactor, text, LAM_REDACT_EXACT, err);

    *out = text;
    if (rc || !redactor->span_count)
        return rc;
    lam_buf_clear(&redactor->buf);
    if ((rc = lam_redact_replace(redactor, text, &redactor->buf, err)))
        return rc;
    return keep(redactor, out, err);
}

int lam_redact_text(struct lam_redactor *redactor, struct lam_sv text, struct lam_sv entities, struct lam_sv *out, struct lam_error *err)
{
    int rc = begin(redactor, text, entities, err);

    return rc ? rc : mask_text(redactor, text, out, err);
}

int lam_redact_row(struct lam_redactor *redactor, const struct lam_row *row, struct lam_row *out, struct lam_error *err)
{
    const struct lam_record *rec = &row->rec;
    const struct lam_enrichment *enr = &row->enr;
    int rc;

    *out = *row;
    if ((rc = begin(redactor, rec->text, enr->entities, err)) || (rc = mask_text(redactor, rec->text, &out->rec.text, err)) ||
        (enr->entities.len && rec->text.len && (rc = show_entities(redactor, rec->text, &out->enr.entities, err))))
        return rc;
    if (enr->entities.len && !rec->text.len) /* without the text no offset can be told: none are shown */
        out->enr.entities = LAM_SV("[]");
    if ((rc = mask_string(redactor, rec->title, &out->rec.title, err)) || (rc = mask_string(redactor, enr->summary, &out->enr.summary, err)) ||
        (rc = mask_json(redactor, LAM_REDACT_WORDS, enr->keywords, &out->enr.keywords, err)) ||
        (rc = mask_json(redactor, LAM_REDACT_ANY_CASE, rec->structure, &out->rec.structure, err)) ||
        (rc = mask_json(redactor, LAM_REDACT_ANY_CASE, rec->metadata, &out->rec.metadata, err)) ||
        (rc = mask_json(redactor, LAM_REDACT_ANY_CASE, enr->custom, &out->enr.custom, err)))
        return rc;
    return mask_json(redactor, LAM_REDACT_ANY_CASE, enr->trace, &out->enr.trace, err);
}

/* Adds the entities of an array that lie beside those that are there; masked: only kinds that are. */
static int add_kept(struct lam_redactor *redactor, struct lam_sv entities, bool masked, struct lam_buf *out, struct lam_error *err)
{
    static const char no_tag[LAM_REDACT_TAG] = "";
    struct lam_json *json = redactor->json;
    struct lam_json_iter iter;
    int rc = 0;

    if (!entities.len || lam_json_parse(json, entities, NULL))
        return 0;
    iter = lam_json_iter(json, LAM_JSON_ROOT);
    while (!rc && lam_json_next(&iter)) {
        size_t start, end, i = 0;

        if ((masked && !lam_redact_wanted(redactor, lam_json_string(json, lam_json_field(json, iter.value, LAM_SV("type"))))) ||
            !offset_at(json, iter.value, LAM_SV("start"), &start) || !offset_at(json, iter.value, LAM_SV("end"), &end))
            continue;
        while (i < redactor->span_count && (start >= redactor->spans[i].end || end <= redactor->spans[i].start))
            i++;
        if (i < redactor->span_count)
            continue;
        if (!(rc = redactor->span_count ? lam_buf_add(out, ",", 1, err) : 0) && !(rc = lam_redact_add_span(redactor, start, end, false, no_tag, err)))
            rc = lam_buf_add_sv(out, lam_json_raw(json, iter.value), err);
    }
    return rc;
}

int lam_redact_keep(struct lam_redactor *redactor, struct lam_sv before, struct lam_sv after, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    redactor->span_count = 0;
    if ((rc = lam_buf_add(out, "[", 1, err)) || (rc = add_kept(redactor, before, true, out, err)) || (rc = add_kept(redactor, after, false, out, err)))
        return rc;
    return lam_buf_add(out, "]", 1, err);
}
