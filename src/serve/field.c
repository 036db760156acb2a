#include "field.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "config/nearest.h"
#include "json_row.h"

#define POINTER_MAX 1000
#define METADATA_MAX ((size_t)256 << 20)
#define METADATA_DEPTH 1000

enum id {
    KEY, CATEGORY, CONFIDENCE, SENTIMENT, LANGUAGE, EVENT_TIME, ARRIVAL, PROCESSED_AT, SOURCE, TEXT, TITLE, SUMMARY,
    MEDIA_TYPE, LAYER, DEPTH, ANALYZER, MODEL, TOKENS, PENDING, VIEW
};

static const struct known {
    const char *name;
    enum lam_field_kind kind;
    uint32_t wants;
} known[] = {
    [KEY] = {"key", LAM_FIELD_TEXT, 0},
    [CATEGORY] = {"category", LAM_FIELD_TEXT, LAM_WANT_ANSWERS},
    [CONFIDENCE] = {"confidence", LAM_FIELD_FLOAT, LAM_WANT_ANSWERS},
    [SENTIMENT] = {"sentiment", LAM_FIELD_FLOAT, LAM_WANT_ANSWERS},
    [LANGUAGE] = {"language", LAM_FIELD_TEXT, LAM_WANT_ANSWERS},
    [EVENT_TIME] = {"event_time", LAM_FIELD_TIME, 0},
    [ARRIVAL] = {"arrival", LAM_FIELD_TIME, 0},
    [PROCESSED_AT] = {"processed_at", LAM_FIELD_TIME, LAM_WANT_PROVENANCE},
    [SOURCE] = {"source", LAM_FIELD_TEXT, 0},
    [TEXT] = {"text", LAM_FIELD_TEXT, LAM_WANT_TEXT},
    [TITLE] = {"title", LAM_FIELD_TEXT, LAM_WANT_DOCUMENT},
    [SUMMARY] = {"summary", LAM_FIELD_TEXT, LAM_WANT_DETAILS},
    [MEDIA_TYPE] = {"media_type", LAM_FIELD_TEXT, LAM_WANT_DOCUMENT},
    [LAYER] = {"layer", LAM_FIELD_TEXT, LAM_WANT_PROVENANCE},
    [DEPTH] = {"depth", LAM_FIELD_TEXT, LAM_WANT_PROVENANCE},
    [ANALYZER] = {"analyzer", LAM_FIELD_TEXT, LAM_WANT_PROVENANCE},
    [MODEL] = {"model", LAM_FIELD_NUMBER, LAM_WANT_PROVENANCE},
    [TOKENS] = {"tokens", LAM_FIELD_NUMBER, LAM_WANT_PROVENANCE},
    [PENDING] = {"pending", LAM_FIELD_BOOL, 0},
    [VIEW] = {"view", LAM_FIELD_NUMBER, 0},
};
#define KNOWN (sizeof known / sizeof *known)

static int find(struct lam_sv name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (lam_sv_eq(lam_sv_of(known[i].name), name))
            return (int)i;
    return -1;
}

static int check_pointer(struct lam_sv name, struct lam_error *err)
{
    if (name.len > POINTER_MAX)
        return LAM_FAIL(err, LAM_E_LIMIT, "a JSON pointer of %zu bytes: at most %d are allowed", name.len, POINTER_MAX);
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '~' && (i + 1 == name.len || (name.ptr[i + 1] != '0' && name.ptr[i + 1] != '1')))
            return LAM_FAIL(err, LAM_E_INVALID, "\"%.*s\" is no JSON pointer: ~ is written ~0, and / in a name ~1", LAM_SV_ARG(name));
    return 0;
}

static int unknown(struct lam_sv name, struct lam_error *err)
{
    char word[64];
    const char *best = NULL;
    double distance = 0;

    snprintf(word, sizeof word, "%.*s", LAM_SV_ARG(name));
    for (size_t i = 0; i < KNOWN; i++)
        lam_nearest_try(word, known[i].name, &best, &distance);
    if (best)
        return LAM_FAIL(err, LAM_E_INVALID,
                        "unknown field \"%s\"; did you mean \"%s\"? A field of the record itself is a JSON pointer: "
                        "\"/%s\"",
                        word, best, word);
    return LAM_FAIL(err, LAM_E_INVALID, "unknown field \"%s\"; a field of the record itself is a JSON pointer: \"/%s\"", word, word);
}

int lam_field_check(struct lam_sv name, enum lam_field_kind *kind, uint32_t *wants, struct lam_error *err)
{
    int id;

    if (name.len && name.ptr[0] == '/') {
        *kind = LAM_FIELD_ANY;
        *wants |= LAM_WANT_METADATA;
        return check_pointer(name, err);
    }
    id = find(name);
    if (id < 0)
        return unknown(name, err);
    *kind = known[id].kind;
    *wants |= known[id].wants;
    return 0;
}

struct lam_field_reader {
    struct lam_json *json;
    const struct lam_hit *hit;
    bool parsed, damaged;
};

struct lam_field_reader *lam_field_reader_new(void)
{
    struct lam_field_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    reader->json = lam_json_new(METADATA_MAX, METADATA_DEPTH);
    if (!reader->json) {
        free(reader);
        return NULL;
    }
    return reader;
}

void lam_field_reader_free(struct lam_field_reader *reader)
{
    if (!reader)
        return;
    lam_json_free(reader->json);
    free(reader);
}

void lam_field_reader_row(struct lam_field_reader *reader, const struct lam_hit *hit)
{
    reader->hit = hit;
    reader->parsed = reader->damaged = false;
}

static bool get_pointer(struct lam_field_reader *reader, struct lam_sv pointer, struct lam_rule_value *value)
{
    struct lam_sv metadata = reader->hit->row.rec.metadata;
    uint32_t at;

    if (!metadata.len || reader->damaged)
        return false;
    if (!reader->parsed) {
        reader->parsed = true;
        reader->damaged = lam_json_parse(reader->json, metadata, NULL) != 0;
        if (reader->damaged)
            return false;
    }
    at = lam_json_find(reader->json, LAM_JSON_ROOT, pointer);
    if (at == LAM_JSON_NONE)
        return false;
    *value = lam_rule_value_json(reader->json, at);
    return true;
}

static bool text(struct lam_sv sv, struct lam_rule_value *value)
{
    *value = lam_rule_value_string(sv);
    return sv.len > 0;
}

static bool real(double number, struct lam_rule_value *value)
{
    *value = lam_rule_value_number(lam_number_double(number));
    return isfinite(number);
}

static bool integer(int64_t number, bool there, struct lam_rule_value *value)
{
    *value = lam_rule_value_number(lam_number_int(number));
    return there;
}

bool lam_field_get(void *arg, struct lam_sv name, struct lam_rule_value *value)
{
    struct lam_field_reader *reader = arg;
    const struct lam_record *rec = &reader->hit->row.rec;
    const struct lam_enrichment *enr = &reader->hit->row.enr;

    if (name.len && name.ptr[0] == '/')
        return get_pointer(reader, name, value);
    switch (find(name)) {
    case KEY:
        *value = lam_rule_value_string(rec->key);
        return true;
    case CATEGORY:
        return text(enr->category, value);
    case CONFIDENCE:
        return real(enr->confidence, value) && enr->category.len > 0;
    case SENTIMENT:
        return real(enr->sentiment, value);
    case LANGUAGE:
        return text(enr->language, value);
    case EVENT_TIME:
        return integer(rec->event_time_us, rec->event_time_us != LAM_TIME_NONE, value);
    case ARRIVAL:
        return integer(rec->arrival_us, rec->arrival_us != LAM_TIME_NONE, value);
    case PROCESSED_AT:
        return integer(enr->processed_us, enr->processed_us != LAM_TIME_NONE && enr->processed_us != 0, value);
    case SOURCE:
        return text(reader->hit->source, value);
    case TEXT:
        return text(rec->text, value);
    case TITLE:
        return text(rec->title, value);
    case SUMMARY:
        return text(enr->summary, value);
    case MEDIA_TYPE:
        return text(rec->media_type, value);
    case LAYER:
        return text(lam_sv_of(lam_layer_name(enr->layer)), value);
    case DEPTH:
        return text(lam_sv_of(lam_depth_name(enr->depth)), value);
    case ANALYZER:
        return text(enr->analyzer, value);
    case MODEL:
        return integer(enr->model, true, value);
    case TOKENS:
        return integer(enr->tokens, true, value);
    case PENDING:
        *value = lam_rule_value_bool(rec->flags & LAM_ROW_PENDING);
        return true;
    case VIEW:
        return integer((int64_t)reader->hit->view, reader->hit->view > 0, value);
    default:
        return false;
    }
}

int lam_field_reader_check(const struct lam_field_reader *reader, struct lam_error *err)
{
    if (!reader->damaged)
        return 0;
    return LAM_FAIL(err, LAM_E_CORRUPT, "the metadata of record \"%.*s\" is no JSON", LAM_SV_ARG(reader->hit->row.rec.key));
}
