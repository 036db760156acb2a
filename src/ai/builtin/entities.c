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

static bool match_number(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    return lam_match_identifier(tokens, i, entity) || lam_match_ip(tokens, i, from, entity) || lam_match_date(tokens, i, entity) ||
           lam_match_time(tokens, i, entity) || lam_match_version(tokens, i, entity) || lam_match_money(tokens, i, from, entity) ||
           lam_match_percent(tokens, i, from, entity) || lam_match_phone(tokens, i, from, entity) ||
           lam_match_path(tokens, i, from, entity);
}

/* What can begin at token i, by the few bytes around it. */
static bool match(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_lex *lex = tokens->terms[token->term].lex;
    char before = token->start > from ? tokens->text.ptr[token->start - 1] : 0, after = lam_at(tokens, token->end);

    if (after == ':' && (lam_match_url(tokens, i, entity) || lam_match_path(tokens, i, from, entity)))
        return true;
    if (after == '@' && lam_match_email(tokens, i, from, entity))
        return true;
    if (after == '.' && token->end - token->start == 3 && lam_match_url(tokens, i, entity))
        return true;
    if (token->flags & LAM_TOKEN_DIGIT)
        return match_number(tokens, i, from, entity);
    if (after == ':' && lam_match_ip(tokens, i, from, entity))
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
    return before == '.' && lam_match_path(tokens, i, from, entity);
}

static int add_json(struct lam_buf *json, const struct lam_tokens *tokens, const struct lam_entity *entity, bool first,
                    struct lam_error *err)
{
    struct lam_sv text = lam_sv(tokens->text.ptr + entity->start, entity->end - entity->start);
    int rc;

    if ((rc = lam_buf_addf(json, err, "%s{\"type\":\"%s\",\"text\":", first ? "" : ",", entity->type)) ||
        (rc = lam_buf_add_json(json, text, err)) || (rc = lam_buf_add(json, ",\"value\":", 9, err)) ||
        (rc = lam_buf_add_json(json, lam_sv_of(entity->value), err)))
        return rc;
    return lam_buf_addf(json, err, ",\"start\":%zu,\"end\":%zu}", entity->start, entity->end);
}

int lam_entities_find(const struct lam_tokens *tokens, struct lam_buf *json, struct lam_error *err)
{
    size_t from = 0, count = 0, begun = json->len;
    struct lam_entity entity;
    int rc = lam_buf_add(json, "[", 1, err);

    for (size_t i = tokens->title_count; i < tokens->count && count < LAM_ENTITIES_MAX && !rc; i++) {
        size_t mark = json->len;

        if (tokens->tokens[i].start < from || (tokens->tokens[i].flags & (LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI)) ||
            !match(tokens, i, from, &entity))
            continue;
        from = entity.end;
        rc = add_json(json, tokens, &entity, count == 0, err);
        count++;
        if (json->len - begun > LAM_ENTITIES_JSON) {
            json->len = mark;
            break;
        }
    }
    return rc ? rc : lam_buf_add(json, "]", 1, err);
}
