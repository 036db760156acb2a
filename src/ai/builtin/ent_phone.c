/* Phone numbers, and E.164 where the country is known. */
#include "entities.h"

#include <stdio.h>

/* The countries that can be a job's own: the code, and the digit that is dialled before a national number instead of it. */
static const struct {
    char country[3];
    char code[5];
    char trunk; /* 0: there is none */
} countries[] = {{"US", "+1", '1'},   {"CA", "+1", '1'},   {"DE", "+49", '0'},  {"AT", "+43", '0'},  {"CH", "+41", '0'},  {"GB", "+44", '0'},
                 {"IE", "+353", '0'}, {"FR", "+33", '0'},  {"BE", "+32", '0'},  {"NL", "+31", '0'},  {"LU", "+352", 0},   {"ES", "+34", 0},
                 {"PT", "+351", 0},   {"IT", "+39", 0},    {"GR", "+30", 0},    {"DK", "+45", 0},    {"NO", "+47", 0},    {"SE", "+46", '0'},
                 {"FI", "+358", '0'}, {"IS", "+354", 0},   {"PL", "+48", 0},    {"CZ", "+420", 0},   {"SK", "+421", '0'}, {"HU", "+36", 0},
                 {"RO", "+40", '0'},  {"BG", "+359", '0'}, {"HR", "+385", '0'}, {"SI", "+386", '0'}, {"RS", "+381", '0'}, {"UA", "+380", '0'},
                 {"TR", "+90", '0'},  {"IL", "+972", '0'}, {"EG", "+20", '0'},  {"ZA", "+27", '0'},  {"NG", "+234", '0'}, {"KE", "+254", '0'},
                 {"MA", "+212", '0'}, {"IN", "+91", '0'},  {"PK", "+92", '0'},  {"BD", "+880", '0'}, {"CN", "+86", '0'},  {"JP", "+81", '0'},
                 {"KR", "+82", '0'},  {"TW", "+886", '0'}, {"TH", "+66", '0'},  {"VN", "+84", '0'},  {"MY", "+60", '0'},  {"ID", "+62", '0'},
                 {"PH", "+63", '0'},  {"SG", "+65", 0},    {"AU", "+61", '0'},  {"NZ", "+64", '0'},  {"MX", "+52", 0},    {"BR", "+55", '0'},
                 {"AR", "+54", '0'},  {"CL", "+56", 0},    {"CO", "+57", 0}};

/* Digits and a blank before: a group in a longer row of groups. */
static bool at_digit_group(const char *p) { return p[-1] == ' ' && lam_is_digit(p[-2]); }

enum form { NO_PHONE, INTERNATIONAL, AMERICAN, NATIONAL }; /* with its country, 3-3-4 without it, with a leading 0 */

/* The row of digits at a place, in groups. */
struct dialled {
    char digits[20];
    size_t count, groups, sizes[8], end;
};

static struct dialled read_groups(const struct lam_tokens *tokens, size_t at, bool plus)
{
    struct dialled dialled = {.end = at};

    while (dialled.groups < 8 && dialled.count < 16) {
        size_t skipped = 0, size = 0;

        while (dialled.count < 16 && lam_is_digit(lam_at(tokens, at))) {
            dialled.digits[dialled.count++] = lam_at(tokens, at++);
            size++;
        }
        if (!size)
            break;
        dialled.sizes[dialled.groups++] = size;
        dialled.end = at;
        if (plus && at + 4 < tokens->text.len && !memcmp(tokens->text.ptr + at, " (0)", 4)) /* +49 (0) 30 … */
            at += 4;
        while (skipped < 2 && lam_at(tokens, at) && strchr(" -./()", lam_at(tokens, at))) {
            at++;
            skipped++;
        }
        if (!skipped && at == dialled.end)
            break;
    }
    return dialled;
}

static enum form form_of(const struct dialled *dialled, bool plus)
{
    const size_t *sizes = dialled->sizes;
    size_t groups = dialled->groups;

    if (plus)
        return dialled->count >= 7 ? INTERNATIONAL : NO_PHONE;
    if (groups == 3 && sizes[0] == 3 && sizes[1] == 3 && sizes[2] == 4)
        return AMERICAN;
    if (groups == 4 && sizes[0] == 1 && dialled->digits[0] == '1' && sizes[1] == 3 && sizes[2] == 3 && sizes[3] == 4)
        return INTERNATIONAL;
    if (dialled->digits[0] != '0' || groups < 2 || groups > 6)
        return NO_PHONE;
    if (dialled->digits[1] == '0')
        return sizes[0] >= 4 && sizes[0] <= 5 && dialled->digits[2] != '0' && dialled->count >= 10 ? INTERNATIONAL : NO_PHONE;
    return groups <= 5 && sizes[0] >= 3 && sizes[0] <= 5 && dialled->count >= 7 && dialled->count <= 13 ? NATIONAL : NO_PHONE;
}

static void write_value(char *out, const struct dialled *dialled, enum form form, bool plus, struct lam_sv country)
{
    bool zeros = form == INTERNATIONAL && !plus && dialled->digits[0] == '0'; /* 0049 … */
    const char *code = form == INTERNATIONAL ? "+" : "";
    size_t skip = zeros ? 2 : 0, k = 0;

    while (k < sizeof countries / sizeof *countries && !lam_sv_eq(country, lam_sv_of(countries[k].country)))
        k++;
    if (form != INTERNATIONAL && k < sizeof countries / sizeof *countries && (form == NATIONAL || !strcmp(countries[k].code, "+1"))) {
        code = countries[k].code;
        skip = form == NATIONAL && countries[k].trunk == '0';
    }
    snprintf(out, LAM_ENTITY_VALUE, "%s%.*s", code, (int)(dialled->count - skip), dialled->digits + skip);
}

/*
 * +49 30 1234567 · 0049 30 1234567 · (555) 123-4567 · 555-123-4567 · 030 1234-567: with a plus, 7 to 15 digits; in the North American
 * form 3-3-4; with a leading zero and separators, 7 to 13. Runs of digits alone are not taken: they are more often numbers of
 * something else.
 */
bool lam_match_phone(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_sv country, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start;
    bool plus = start > from && tokens->text.ptr[start - 1] == '+', bracket = start > from && tokens->text.ptr[start - 1] == '(';
    struct dialled dialled;
    enum form form;

    if (!plus && !bracket && (!lam_starts_clean(tokens, start) || (start > 1 && at_digit_group(tokens->text.ptr + start))))
        return false;
    dialled = read_groups(tokens, start, plus);
    if (lam_is_alnum(lam_at(tokens, dialled.end)) || lam_at(tokens, dialled.end) == '%' || dialled.count > 15 ||
        !(form = form_of(&dialled, plus)))
        return false;
    *entity = (struct lam_entity){.type = "phone", .start = start - (plus || bracket), .end = dialled.end};
    write_value(entity->value, &dialled, form, plus, country);
    return true;
}
