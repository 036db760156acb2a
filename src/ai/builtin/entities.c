#include "entities.h"

size_t lam_read_digits(const struct lam_tokens *tokens, size_t i, size_t most, unsigned *value)
{
    size_t n = 0;

    *value = 0;
    while (n < most && lam_is_digit(lam_at(tokens, i + n)))
        *value = *value * 10 + (unsigned)(lam_at(tokens, i + n++) - '0');
    return n;
}

bool lam_starts_clean(const struct lam_tokens *tokens, size_t i)
{
    char c = i ? tokens->text.ptr[i - 1] : ' ';

    if (lam_is_alnum(c))
        return false;
    return !(i > 1 && strchr(".,:/-", c) && c && lam_is_alnum(tokens->text.ptr[i - 2]));
}

bool lam_ends_clean(const struct lam_tokens *tokens, size_t i)
{
    char c = lam_at(tokens, i);

    if (lam_is_alnum(c))
        return false;
    return !(c && strchr(".,:/-", c) && lam_is_digit(lam_at(tokens, i + 1)));
}

bool lam_entity_type_known(struct lam_sv type)
{
    static const char *const types[] = {"date", "datetime", "time", "money", "percent", "quantity", "email", "url", "host", "ip", "version", "phone",
                                        "cve", "iban", "card", "isbn", "doi", "ssn", "path", "person", "organization", "place"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (lam_sv_eq(type, lam_sv_of(types[i])))
            return true;
    return false;
}

/* One search through a text. */
struct finder {
    const struct lam_tokens *tokens;
    const struct lam_entity_options *options;
    const struct lam_pattern_find *finds; /* of the job's own patterns */
    size_t find_count;
    size_t from; /* bytes before it belong to the entity before */
    size_t names_from; /* tokens before it were read as names already, and are none */
    struct lam_name_reader names;
    struct lam_entity entity;
};

static bool match_number(const struct lam_tokens *tokens, size_t i, size_t from, const struct lam_entity_options *options,
                         struct lam_entity *entity)
{
    return lam_match_identifier(tokens, i, entity) || lam_match_ip(tokens, i, from, entity) || lam_match_date(tokens, i, entity) ||
           lam_match_time(tokens, i, entity) || lam_match_version(tokens, i, entity) || lam_match_money(tokens, i, from, entity) ||
           lam_match_percent(tokens, i, from, entity) || lam_match_phone(tokens, i, from, options->country, entity) ||
           lam_match_relative(tokens, i, options->now_us, entity) || lam_match_quantity(tokens, i, from, entity) ||
           lam_match_path(tokens, i, from, entity);
}

/* What can begin at token i, by the few bytes around it. */
static bool match(const struct finder *finder, size_t i, struct lam_entity *entity)
{
    const struct lam_tokens *tokens = finder->tokens;
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_lex *lex = tokens->terms[token->term].lex;
    size_t from = finder->from;
    char before = token->start > from ? tokens->text.ptr[token->start - 1] : 0, after = lam_at(tokens, token->end);

    if ((before == ' ' || before == '\n') && (after == ' ' || after == ',' || after == '\n') &&
        !(token->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_DIGITS)) &&
        !(lex && lex->flags & (LAM_LEX_MONTH | LAM_LEX_TIME | LAM_LEX_NUMBER)))
        return false; /* a word among words: most are */
    if (after == ':' && (lam_match_url(tokens, i, entity) || lam_match_path(tokens, i, from, entity)))
        return true;
    if ((after == '@' || after == '.' || after == '_' || after == '+' || after == '-') && lam_match_email(tokens, i, from, entity))
        return true;
    if (after == '.' && token->end - token->start == 3 && lam_match_url(tokens, i, entity))
        return true;
    if (token->flags & LAM_TOKEN_DIGIT)
        return match_number(tokens, i, from, finder->options, entity);
    if (after == ':' && lam_match_ip(tokens, i, from, entity))
        return true;
    if ((after == '.' || after == '-' || after == '_') && lam_is_alnum(lam_at(tokens, token->end + 1)) && lam_match_host(tokens, i, entity))
        return true;
    if (lex && lex->flags & LAM_LEX_MONTH && lam_match_month_date(tokens, i, entity))
        return true;
    if (after == '-' && token->end - token->start == 3 && lam_match_cve(tokens, i, entity))
        return true;
    if (token->flags & LAM_TOKEN_DIGITS && (lam_match_iban(tokens, i, entity) || lam_match_version(tokens, i, entity)))
        return true;
    if ((before == '/' || before == ':' || after == '/' || after == '_') &&
        (lam_match_ip(tokens, i, from, entity) || lam_match_path(tokens, i, from, entity)))
        return true;
    if (before == '.' && lam_match_path(tokens, i, from, entity))
        return true;
    return lam_match_relative(tokens, i, finder->options->now_us, entity) || lam_match_quantity(tokens, i, from, entity);
}

/* The name that begins at token i, its words parted by single blanks. */
static bool match_name(struct finder *finder, size_t i, size_t limit, struct lam_entity *entity)
{
    static const char *const types[] = {"person", "organization", "place"};
    const struct lam_tokens *tokens = finder->tokens;
    struct lam_name name;
    enum lam_name_type type;
    size_t len = 0;

    if (!lam_name_read(&finder->names, i, &name))
        return false;
    finder->names_from = name.last;
    if (name.start < finder->from || name.end > limit || (type = lam_name_decide(&finder->names, &name)) == LAM_NAME_TYPES)
        return false;
    entity->type = types[type];
    entity->start = name.start;
    entity->end = name.end;
    for (size_t at = name.start; at < name.end && len + 1 < LAM_ENTITY_VALUE; at++) {
        char c = tokens->text.ptr[at];

        if ((c == ' ' || c == '\n' || c == '\r' || c == '\t') && len && entity->value[len - 1] == ' ')
            continue;
        entity->value[len++] = c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    }
    entity->value[len] = '\0';
    return true;
}

/* The next entity that begins at token *i or behind, which moves behind what was looked at. */
static bool next_entity(struct finder *finder, size_t *i)
{
    const struct lam_tokens *tokens = finder->tokens;
    struct lam_entity *entity = &finder->entity;

    for (; *i < tokens->count || finder->find_count; ++*i) {
        const struct lam_token *token = *i < tokens->count ? &tokens->tokens[*i] : NULL;
        size_t limit = finder->find_count ? finder->finds->start : SIZE_MAX;

        if (limit < finder->from || (finder->find_count && (!token || token->end > limit))) { /* the job's own come first */
            const struct lam_pattern_find *find = finder->finds++;

            finder->find_count--;
            --*i; /* look at the token again */
            if (find->start < finder->from)
                continue;
            entity->type = find->name;
            entity->start = find->start;
            entity->end = find->end;
            memcpy(entity->value, tokens->text.ptr + find->start, find->end - find->start);
            entity->value[find->end - find->start] = '\0';
            return true;
        }
        if (token->start < finder->from || token->flags & (LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI))
            continue;
        if (match(finder, *i, entity) && entity->start >= finder->from && entity->end <= limit)
            return true;
        if (finder->options->words && token->flags & LAM_TOKEN_UPPER && *i >= finder->names_from && match_name(finder, *i, limit, entity))
            return true;
    }
    return false;
}

int lam_entities_each(const struct lam_tokens *tokens, const struct lam_entity_options *options, lam_entity_visit *visit, void *arg,
                      struct lam_error *err)
{
    struct finder finder;
    int rc = 0;

    finder.tokens = tokens;
    finder.options = options;
    finder.from = finder.names_from = 0;

    finder.find_count = lam_patterns_find(options->patterns, tokens->text, &finder.finds);
    if (options->words)
        lam_name_begin(&finder.names, tokens, options->words, options->gazetteer, options->language);
    for (size_t i = tokens->title_count, count = 0; (options->all || count < LAM_ENTITIES_MAX) && !rc && next_entity(&finder, &i); i++, count++) {
        finder.from = finder.entity.end;
        rc = visit(arg, &finder.entity, err);
    }
    return rc;
}

/* The array that is being written. */
struct array {
    const struct lam_tokens *tokens;
    struct lam_buf *json;
    size_t begun;
};

static char *add_text(char *p, const char *text)
{
    size_t len = strlen(text);

    memcpy(p, text, len);
    return p + len;
}

static char *add_size(char *p, size_t value)
{
    char digits[24];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

/* Written by hand: there are dozens in a text, and printf takes longer than finding them. */
static int add_json(void *arg, const struct lam_entity *entity, struct lam_error *err)
{
    struct array *array = arg;
    struct lam_buf *json = array->json;
    size_t mark = json->len;
    char *p;
    int rc;

    if ((rc = lam_buf_reserve(json, LAM_PATTERN_NAME + 64, err)))
        return rc;
    p = add_text(json->ptr + json->len, mark == array->begun + 1 ? "{\"type\":\"" : ",{\"type\":\"");
    p = add_text(add_text(p, entity->type), "\",\"text\":");
    json->len = (size_t)(p - json->ptr);
    if ((rc = lam_buf_add_json(json, lam_sv(array->tokens->text.ptr + entity->start, entity->end - entity->start), err)) ||
        (rc = lam_buf_add(json, ",\"value\":", 9, err)) || (rc = lam_buf_add_json(json, lam_sv_of(entity->value), err)) ||
        (rc = lam_buf_reserve(json, 96, err)))
        return rc;
    p = add_size(add_text(json->ptr + json->len, ",\"start\":"), entity->start);
    p = add_size(add_text(p, ",\"end\":"), entity->end);
    *p++ = '}';
    json->len = (size_t)(p - json->ptr);
    if (json->len - array->begun <= LAM_ENTITIES_JSON)
        return 0;
    json->len = mark; /* it does not fit any more */
    return LAM_END;
}

int lam_entities_find(const struct lam_tokens *tokens, const struct lam_entity_options *options, struct lam_buf *json,
                      struct lam_error *err)
{
    struct array array = {tokens, json, json->len};
    int rc = lam_buf_add(json, "[", 1, err);

    if (rc || ((rc = lam_entities_each(tokens, options, add_json, &array, err)) && rc != LAM_END))
        return rc;
    return lam_buf_add(json, "]", 1, err);
}
