#include "schema.h"

#include <inttypes.h>
#include <stdio.h>

#define DEPTH_MAX 32
#define PATH_MAX_LEN 160
#define ENTITIES_MIN 1u
#define ENTITY_TOKENS 40u /* that the longest entity has, its frame and blanks included */

/* ISO 639-1 codes of what is written most; und: another one, or none. */
static const char languages[] =
    "\"en\",\"de\",\"fr\",\"es\",\"it\",\"pt\",\"nl\",\"pl\",\"ru\",\"uk\",\"cs\",\"sk\",\"sl\",\"hr\",\"sr\",\"bg\",\"ro\",\"hu\",\"el\",\"tr\",\"sv\",\"da\",\"no\",\"fi\",\"et\","
    "\"lv\",\"lt\",\"zh\",\"ja\",\"ko\",\"ar\",\"he\",\"fa\",\"hi\",\"bn\",\"ur\",\"ta\",\"te\",\"th\",\"vi\",\"id\",\"ms\",\"tl\",\"sw\",\"ca\",\"eu\",\"gl\",\"is\",\"ga\",\"und\"";

static int add_classify(const struct lam_tasks *tasks, struct lam_buf *out, struct lam_error *err)
{
    int rc = lam_buf_addf(out, err, "\"category\":{\"type\":\"string\",\"enum\":[");

    for (size_t i = 0; !rc && i < tasks->label_count; i++)
        if (!(rc = i ? lam_buf_add(out, ",", 1, err) : 0))
            rc = lam_buf_add_json(out, tasks->labels[i].name, err);
    return rc ? rc : lam_buf_addf(out, err, "]},\"confidence\":{\"type\":\"integer\",\"enum\":[0,1,2,3,4,5,6,7,8,9,10]}");
}

uint32_t lam_llm_summary_text(uint32_t sentences) { return sentences < LAM_LLM_SUMMARY_TEXT / LAM_LLM_SENTENCE_TEXT ? sentences * LAM_LLM_SENTENCE_TEXT : LAM_LLM_SUMMARY_TEXT; }

/* Entities for which there is room beside the longest answers to the other tasks: a quarter of a token a character, and what frames them. */
static uint32_t entities_max(const struct lam_tasks *tasks, uint32_t wanted, uint32_t answer_tokens)
{
    uint32_t taken = 40, most;

    taken += wanted & LAM_TASK_CLASSIFY ? 30 : 0;
    taken += wanted & LAM_TASK_KEYWORDS ? tasks->max_keywords * (LAM_LLM_KEYWORD_TEXT / 4 + 3) : 0;
    taken += wanted & LAM_TASK_SUMMARIZE ? lam_llm_summary_text(tasks->sentences) / 4 : 0;
    taken += wanted & LAM_TASK_CUSTOM ? 200 : 0;
    most = answer_tokens > taken ? (answer_tokens - taken) / ENTITY_TOKENS : 0;
    return most < ENTITIES_MIN ? ENTITIES_MIN : most > LAM_LLM_ENTITIES_MAX ? LAM_LLM_ENTITIES_MAX : most;
}

static int add_task(const struct lam_tasks *tasks, enum lam_task task, uint32_t entities, struct lam_buf *out, struct lam_error *err)
{
    switch (task) {
    case LAM_TASK_CLASSIFY:
        return add_classify(tasks, out, err);
    case LAM_TASK_SENTIMENT:
        return lam_buf_addf(out, err, "\"sentiment\":{\"type\":\"integer\",\"enum\":[-5,-4,-3,-2,-1,0,1,2,3,4,5]}");
    case LAM_TASK_LANGUAGE:
        return lam_buf_addf(out, err, "\"language\":{\"type\":\"string\",\"enum\":[%s]}", languages);
    case LAM_TASK_KEYWORDS:
        return lam_buf_addf(out, err, "\"keywords\":{\"type\":\"array\",\"maxItems\":%" PRIu32 ",\"items\":{\"type\":\"string\",\"maxLength\":%d}}",
                            tasks->max_keywords, LAM_LLM_KEYWORD_TEXT);
    case LAM_TASK_ENTITIES:
        return lam_buf_addf(out, err,
                            "\"entities\":{\"type\":\"array\",\"maxItems\":%" PRIu32 ",\"items\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\",\"enum\":[\"person\","
                            "\"org\",\"place\",\"product\",\"date\",\"money\",\"other\"]},\"text\":{\"type\":\"string\",\"maxLength\":%d}},\"required\":[\"type\",\"text\"],"
                            "\"additionalProperties\":false}}",
                            entities, LAM_LLM_ENTITY_TEXT);
    case LAM_TASK_SUMMARIZE:
        return lam_buf_addf(out, err, "\"summary\":{\"type\":\"string\",\"maxLength\":%" PRIu32 "}", lam_llm_summary_text(tasks->sentences));
    case LAM_TASK_CUSTOM: {
        int rc = lam_buf_addf(out, err, "\"custom\":");

        return rc ? rc : lam_buf_add_sv(out, tasks->custom_schema, err);
    }
    case LAM_TASK_EMBED:
    case LAM_TASK_TITLE: /* these two are the built-in analyzer's: no model is paid for them */
    case LAM_TASK_READABILITY:
        break;
    }
    return 0;
}

/* What a model should think of first stands first: servers generate fields in this order. */
static const enum lam_task in_order[] = {LAM_TASK_CLASSIFY, LAM_TASK_SENTIMENT, LAM_TASK_LANGUAGE,  LAM_TASK_KEYWORDS,
                                         LAM_TASK_ENTITIES, LAM_TASK_SUMMARIZE, LAM_TASK_CUSTOM};
static const char *const fields[] = {"\"category\",\"confidence\"", "\"sentiment\"", "\"language\"", "\"keywords\"", "\"entities\"", "\"summary\"", "\"custom\""};
#define COUNT (sizeof in_order / sizeof *in_order)

int lam_llm_schema_write(const struct lam_tasks *tasks, uint32_t wanted, uint32_t answer_tokens, struct lam_buf *out, struct lam_error *err)
{
    uint32_t entities = entities_max(tasks, wanted, answer_tokens);
    int rc = lam_buf_addf(out, err, "{\"type\":\"object\",\"properties\":{");
    bool first = true;

    for (size_t i = 0; !rc && i < COUNT; i++)
        if (wanted & in_order[i]) {
            rc = first ? 0 : lam_buf_add(out, ",", 1, err);
            if (!rc)
                rc = add_task(tasks, in_order[i], entities, out, err);
            first = false;
        }
    if (!rc)
        rc = lam_buf_addf(out, err, "},\"required\":[");
    first = true;
    for (size_t i = 0; !rc && i < COUNT; i++)
        if (wanted & in_order[i]) {
            rc = lam_buf_addf(out, err, "%s%s", first ? "" : ",", fields[i]);
            first = false;
        }
    return rc ? rc : lam_buf_addf(out, err, "],\"additionalProperties\":false}");
}

int lam_llm_schema_pack(struct lam_sv one, size_t documents, struct lam_buf *out, struct lam_error *err)
{
    int rc;

    if ((rc = lam_buf_addf(out, err, "{\"$defs\":{\"answer\":")) || (rc = lam_buf_add_sv(out, one, err)) || (rc = lam_buf_addf(out, err, "},\"type\":\"object\",\"properties\":{")))
        return rc;
    for (size_t i = 1; !rc && i <= documents; i++)
        rc = lam_buf_addf(out, err, "%s\"d%zu\":{\"$ref\":\"#/$defs/answer\"}", i > 1 ? "," : "", i);
    if (!rc)
        rc = lam_buf_addf(out, err, "},\"required\":[");
    for (size_t i = 1; !rc && i <= documents; i++)
        rc = lam_buf_addf(out, err, "%s\"d%zu\"", i > 1 ? "," : "", i);
    return rc ? rc : lam_buf_addf(out, err, "],\"additionalProperties\":false}");
}

/* --- checking --- */

struct check {
    const struct lam_json *schema, *json;
    struct lam_error *err;
    char path[PATH_MAX_LEN];
    size_t path_len;
    bool strict;
    bool arguments; /* of a tool: what is not declared is refused */
};

static int check_value(struct check *check, uint32_t at, uint32_t value, unsigned depth);

static const char *path(const struct check *check) { return check->path_len ? check->path : "/"; }

static const char *type_name(enum lam_json_type type)
{
    static const char *const names[] = {"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"};

    return names[type];
}

static bool is_integer(const struct lam_json *json, uint32_t value)
{
    struct lam_number number;
    double d;

    if (!lam_json_number(json, value, &number))
        return false;
    d = lam_number_as_double(&number);
    return number.kind != LAM_NUMBER_DOUBLE || (d >= -9e15 && d <= 9e15 && d == (double)(int64_t)d);
}

static int check_type(struct check *check, uint32_t at, uint32_t value)
{
    static const struct {
        const char *name;
        enum lam_json_type type;
    } types[] = {{"object", LAM_JSON_OBJECT}, {"array", LAM_JSON_ARRAY}, {"string", LAM_JSON_STRING}, {"number", LAM_JSON_NUMBER},
                 {"integer", LAM_JSON_NUMBER}, {"boolean", LAM_JSON_BOOL}, {"null", LAM_JSON_NULL}};
    struct lam_sv wanted = lam_json_string(check->schema, lam_json_field(check->schema, at, LAM_SV("type")));
    enum lam_json_type type = lam_json_type(check->json, value);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (lam_sv_eq(wanted, lam_sv_of(types[i].name))) {
            if (type != types[i].type)
                return LAM_FAIL(check->err, LAM_E_INVALID, "%s: expected %s, found %s", path(check), types[i].name, type_name(type));
            if (!strcmp(types[i].name, "integer") && !is_integer(check->json, value))
                return LAM_FAIL(check->err, LAM_E_INVALID, "%s: expected an integer", path(check));
        }
    return 0;
}

static bool same(const struct lam_json *a, uint32_t x, const struct lam_json *b, uint32_t y)
{
    struct lam_number m, n;

    if (lam_json_type(a, x) != lam_json_type(b, y))
        return false;
    if (lam_json_type(a, x) == LAM_JSON_STRING)
        return lam_sv_eq(lam_json_string(a, x), lam_json_string(b, y));
    if (lam_json_number(a, x, &m) && lam_json_number(b, y, &n))
        return lam_number_cmp(&m, &n) == 0;
    return lam_sv_eq(lam_json_raw(a, x), lam_json_raw(b, y));
}

static int check_enum(struct check *check, uint32_t at, uint32_t value)
{
    struct lam_sv found = lam_json_raw(check->json, value), all;
    uint32_t list = lam_json_field(check->schema, at, LAM_SV("enum"));
    struct lam_json_iter iter = lam_json_iter(check->schema, list);

    if (lam_json_type(check->schema, list) != LAM_JSON_ARRAY)
        return 0;
    while (lam_json_next(&iter))
        if (same(check->schema, iter.value, check->json, value))
            return 0;
    all = lam_json_raw(check->schema, list);
    return LAM_FAIL(check->err, LAM_E_INVALID, "%s: %.*s is not one of %.*s", path(check), (int)(found.len < 60 ? found.len : 60), found.ptr,
                    (int)(all.len < 240 ? all.len : 240), all.ptr);
}

static bool bound(const struct check *check, uint32_t at, const char *name, double *out)
{
    struct lam_number number;

    if (!lam_json_number(check->schema, lam_json_field(check->schema, at, lam_sv_of(name)), &number))
        return false;
    *out = lam_number_as_double(&number);
    return true;
}

/* size against the schema's bounds of these names. */
static int check_range(struct check *check, uint32_t at, double size, const char *least, const char *most, const char *what)
{
    double limit;

    if (bound(check, at, least, &limit) && size < limit)
        return LAM_FAIL(check->err, LAM_E_INVALID, "%s: %s%g, at least %g is needed", path(check), what, size, limit);
    if (bound(check, at, most, &limit) && size > limit)
        return LAM_FAIL(check->err, LAM_E_INVALID, "%s: %s%g, at most %g is allowed", path(check), what, size, limit);
    return 0;
}

static double characters(struct lam_sv text)
{
    double count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* Checks a part under its name in the path. */
static int check_below(struct check *check, uint32_t at, uint32_t value, const char *name, size_t len, unsigned depth)
{
    size_t before = check->path_len;
    int rc;

    if (before + len + 2 < sizeof check->path)
        check->path_len += (size_t)snprintf(check->path + before, sizeof check->path - before, "/%.*s", (int)len, name);
    rc = check_value(check, at, value, depth + 1);
    if (!rc) {
        check->path_len = before;
        check->path[before] = '\0';
    }
    return rc;
}

static int check_array(struct check *check, uint32_t at, uint32_t value, unsigned depth)
{
    struct lam_json_iter iter = lam_json_iter(check->json, value);
    uint32_t items = lam_json_field(check->schema, at, LAM_SV("items"));
    size_t count = 0;
    int rc = 0;

    while (!rc && lam_json_next(&iter)) {
        char name[24];
        int len = snprintf(name, sizeof name, "%zu", count++);

        if (items)
            rc = check_below(check, items, iter.value, name, (size_t)len, depth);
    }
    return rc ? rc : check_range(check, at, (double)count, "minItems", "maxItems", "items: ");
}

/* Below /custom the job's own word counts. In other answers a field too many harms nobody: servers without schemas add their remarks. */
static bool is_closed(const struct check *check) { return check->strict || !strncmp(check->path, "/custom", 7); }

/* A field that the schema does not list. */
static int check_unlisted(struct check *check, uint32_t at, struct lam_sv name, uint32_t value, unsigned depth)
{
    uint32_t more = lam_json_field(check->schema, at, LAM_SV("additionalProperties"));
    bool forbidden = lam_json_type(check->schema, more) == LAM_JSON_BOOL && !lam_json_bool(check->schema, more);

    if (check->arguments && lam_json_type(check->schema, more) == LAM_JSON_OBJECT)
        return check_below(check, more, value, name.ptr, name.len, depth);
    if (check->arguments && (forbidden || (!more && lam_json_field(check->schema, at, LAM_SV("properties")))))
        return LAM_FAIL(check->err, LAM_E_INVALID, "%s: \"%.*s\" is no argument of the tool", path(check), (int)(name.len < 60 ? name.len : 60), name.ptr);
    if (is_closed(check) && forbidden)
        return LAM_FAIL(check->err, LAM_E_INVALID, "%s: \"%.*s\" is no field of the answer", path(check), (int)(name.len < 60 ? name.len : 60), name.ptr);
    return 0;
}

static int check_object(struct check *check, uint32_t at, uint32_t value, unsigned depth)
{
    uint32_t properties = lam_json_field(check->schema, at, LAM_SV("properties"));
    struct lam_json_iter iter = lam_json_iter(check->schema, lam_json_field(check->schema, at, LAM_SV("required")));
    int rc = 0;

    while (lam_json_next(&iter)) {
        struct lam_sv name = lam_json_string(check->schema, iter.value);

        if (!lam_json_field(check->json, value, name))
            return LAM_FAIL(check->err, LAM_E_INVALID, "%s: the field \"%.*s\" is missing", path(check), (int)(name.len < 60 ? name.len : 60), name.ptr);
    }
    iter = lam_json_iter(check->json, value);
    while (!rc && lam_json_next(&iter)) {
        uint32_t property = lam_json_field(check->schema, properties, iter.name);

        rc = property ? check_below(check, property, iter.value, iter.name.ptr, iter.name.len, depth) : check_unlisted(check, at, iter.name, iter.value, depth);
    }
    return rc;
}

/* What a "$ref" within the schema refers to; LAM_JSON_NONE: there is none, or it leads elsewhere and is passed by. */
static uint32_t referred(const struct check *check, uint32_t at)
{
    struct lam_sv to = lam_json_string(check->schema, lam_json_field(check->schema, at, LAM_SV("$ref")));

    return to.len && to.ptr[0] == '#' ? lam_json_find(check->schema, LAM_JSON_ROOT, lam_sv(to.ptr + 1, to.len - 1)) : LAM_JSON_NONE;
}

static int check_value(struct check *check, uint32_t at, uint32_t value, unsigned depth)
{
    struct lam_number number;
    uint32_t there;
    int rc;

    if (depth > DEPTH_MAX)
        return LAM_FAIL(check->err, LAM_E_INVALID, "%s: too deep", path(check));
    if ((there = referred(check, at)))
        return check_value(check, there, value, depth + 1);
    if ((rc = check_type(check, at, value)) || (rc = check_enum(check, at, value)))
        return rc;
    switch (lam_json_type(check->json, value)) {
    case LAM_JSON_STRING:
        return check_range(check, at, characters(lam_json_string(check->json, value)), "minLength", "maxLength", "characters: ");
    case LAM_JSON_NUMBER:
        lam_json_number(check->json, value, &number);
        return check_range(check, at, lam_number_as_double(&number), "minimum", "maximum", "");
    case LAM_JSON_ARRAY:
        return check_array(check, at, value, depth);
    case LAM_JSON_OBJECT:
        return check_object(check, at, value, depth);
    default:
        return 0;
    }
}

int lam_llm_schema_check(const struct lam_json *schema, uint32_t at, const struct lam_json *json, uint32_t value, bool strict, struct lam_error *err)
{
    struct check check = {.strict = strict, .schema = schema, .json = json, .err = err};

    return check_value(&check, at, value, 0);
}

int lam_llm_schema_check_arguments(const struct lam_json *schema, const struct lam_json *json, uint32_t value, struct lam_error *err)
{
    struct check check = {.strict = true, .arguments = true, .schema = schema, .json = json, .err = err};

    return check_value(&check, LAM_JSON_ROOT, value, 0);
}
