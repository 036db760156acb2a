/* Quantities: a number, or a range of two, with a unit. The unit's symbol is canonical, nothing is converted. */
#include "entities.h"

#include <stdio.h>

#define UNIT_LEN 14  /* bytes of the longest word of the table */
#define SYMBOL_LEN 6 /* of the longest row of letters in a symbol */

/* How a unit may be written: its symbol, with exactly these letters; and words, in any case. A symbol of one letter needs a blank. */
static const struct {
    const char *symbol, *as;
} symbols[] = {{"nm", "nm"},     {"µm", "µm"},     {"mm", "mm"},       {"cm", "cm"},     {"dm", "dm"},     {"m", "m"},       {"km", "km"},
               {"mi", "mi"},     {"ft", "ft"},     {"yd", "yd"},       {"yds", "yd"},    {"mg", "mg"},     {"µg", "µg"},     {"g", "g"},
               {"kg", "kg"},     {"t", "t"},       {"lb", "lb"},       {"lbs", "lb"},    {"oz", "oz"},     {"ml", "ml"},     {"mL", "ml"},
               {"cl", "cl"},     {"l", "l"},       {"L", "l"},         {"m²", "m²"},     {"km²", "km²"},   {"m2", "m²"},     {"km2", "km²"},
               {"m³", "m³"},     {"ha", "ha"},     {"sqft", "ft²"},    {"ms", "ms"},     {"µs", "µs"},     {"s", "s"},       {"sec", "s"},
               {"secs", "s"},    {"min", "min"},   {"mins", "min"},    {"h", "h"},       {"hr", "h"},      {"hrs", "h"},     {"yrs", "year"},
               {"yr", "year"},   {"km/h", "km/h"}, {"kph", "km/h"},    {"m/s", "m/s"},   {"mph", "mph"},   {"rpm", "rpm"},   {"kB", "kB"},
               {"KB", "kB"},     {"MB", "MB"},     {"GB", "GB"},       {"TB", "TB"},     {"PB", "PB"},     {"KiB", "KiB"},   {"MiB", "MiB"},
               {"GiB", "GiB"},   {"TiB", "TiB"},   {"kbit/s", "kbit/s"}, {"Mbit/s", "Mbit/s"}, {"Gbit/s", "Gbit/s"}, {"kbps", "kbit/s"},
               {"Kbps", "kbit/s"}, {"Mbps", "Mbit/s"}, {"mbps", "Mbit/s"}, {"Gbps", "Gbit/s"}, {"MB/s", "MB/s"}, {"GB/s", "GB/s"},
               {"Hz", "Hz"},     {"kHz", "kHz"},   {"MHz", "MHz"},     {"GHz", "GHz"},   {"W", "W"},       {"kW", "kW"},     {"MW", "MW"},
               {"GW", "GW"},     {"kWh", "kWh"},   {"MWh", "MWh"},     {"GWh", "GWh"},   {"V", "V"},       {"mV", "mV"},     {"kV", "kV"},
               {"mA", "mA"},     {"mAh", "mAh"},   {"hPa", "hPa"},     {"kPa", "kPa"},   {"MPa", "MPa"},   {"psi", "psi"},   {"kJ", "kJ"},
               {"kcal", "kcal"}, {"°C", "°C"},     {"°F", "°F"},       {"°", "°"},       {"px", "px"},     {"dpi", "dpi"},   {"dB", "dB"}};

static const struct {
    const char *word, *as;
} words[] = {{"millimetre", "mm"},  {"millimeter", "mm"}, {"centimetre", "cm"}, {"centimeter", "cm"}, {"metre", "m"},      {"meter", "m"},
             {"kilometre", "km"},   {"kilometer", "km"},  {"mile", "mi"},       {"inch", "in"},       {"inches", "in"},    {"foot", "ft"},
             {"feet", "ft"},        {"yard", "yd"},       {"gram", "g"},        {"gramme", "g"},      {"kilogram", "kg"},  {"kilo", "kg"},
             {"milligram", "mg"},   {"microgram", "µg"},  {"ton", "t"},         {"tonne", "t"},       {"pound", "lb"},     {"ounce", "oz"},
             {"litre", "l"},        {"liter", "l"},       {"millilitre", "ml"}, {"milliliter", "ml"}, {"gallon", "gal"},   {"barrel", "bbl"},
             {"acre", "acre"},      {"hectare", "ha"},    {"second", "s"},      {"minute", "min"},    {"hour", "h"},       {"day", "day"},
             {"week", "week"},      {"month", "month"},   {"year", "year"},     {"decade", "decade"}, {"century", "century"}, {"centuries", "century"},
             {"millisecond", "ms"}, {"byte", "B"},        {"kilobyte", "kB"},   {"megabyte", "MB"},   {"gigabyte", "GB"},  {"terabyte", "TB"},
             {"megabit", "Mbit"},   {"gigabit", "Gbit"},  {"megapixel", "MP"},  {"megahertz", "MHz"}, {"gigahertz", "GHz"}, {"watt", "W"},
             {"kilowatt", "kW"},    {"megawatt", "MW"},   {"volt", "V"},        {"calorie", "cal"},   {"degree", "°"},     {"knot", "kn"},
             {"minuten", "min"},    {"stunde", "h"},      {"stunden", "h"},     {"tag", "day"},       {"tage", "day"},     {"tagen", "day"},
             {"woche", "week"},     {"wochen", "week"},   {"monat", "month"},   {"monate", "month"},  {"monaten", "month"}, {"jahre", "year"},
             {"jahren", "year"},    {"sekunden", "s"},    {"meile", "mi"},      {"meilen", "mi"}};

/* Letters that units are written with. */
static bool unit_byte(char c) { return lam_is_alpha(c) || (unsigned char)c >= 0x80; }

static const char *symbol_at(const struct lam_tokens *tokens, size_t at, bool apart, size_t *end)
{
    const char *best = NULL;

    for (size_t k = 0; k < sizeof symbols / sizeof *symbols; k++) {
        size_t len;

        if (*symbols[k].symbol != lam_at(tokens, at))
            continue;
        len = strlen(symbols[k].symbol);
        if (at + len > tokens->text.len ||
            memcmp(tokens->text.ptr + at, symbols[k].symbol, len) || unit_byte(lam_at(tokens, at + len)) ||
            lam_is_digit(lam_at(tokens, at + len)) || (len == 1 && (!apart || lam_at(tokens, at + 1) == '\'' || lam_at(tokens, at + 1) == '.')))
            continue;
        if (best && at + len <= *end)
            continue;
        *end = at + len;
        best = symbols[k].as;
    }
    return best;
}

static const char *word_at(const struct lam_tokens *tokens, size_t at, size_t *end)
{
    char word[UNIT_LEN + 1];
    size_t len = 0;

    while (len < sizeof word && unit_byte(lam_at(tokens, at + len))) {
        word[len] = (char)(lam_at(tokens, at + len) | 0x20);
        len++;
    }
    if (len < 3 || len == sizeof word)
        return NULL;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        size_t known;

        if (*word != *words[k].word)
            continue;
        known = strlen(words[k].word);
        if ((known == len || (known + 1 == len && word[known] == 's')) && !memcmp(word, words[k].word, known)) {
            *end = at + len;
            return words[k].as;
        }
    }
    return NULL;
}

/* The unit that follows byte at, after at most one blank or hyphen. */
static const char *unit_behind(const struct lam_tokens *tokens, size_t at, size_t *end)
{
    bool apart = lam_at(tokens, at) == ' ' || lam_at(tokens, at) == '-';
    const char *unit;
    size_t len = 0;

    if ((unsigned char)lam_at(tokens, at) == 0xc2 && (unsigned char)lam_at(tokens, at + 1) == 0xa0) { /* a blank that does not break */
        apart = true;
        at++;
    }
    at += apart;
    while (len <= UNIT_LEN && unit_byte(lam_at(tokens, at + len)))
        len++;
    if (!len)
        return NULL;
    unit = len <= SYMBOL_LEN ? symbol_at(tokens, at, apart && lam_at(tokens, at - 1) != '-', end) : NULL;
    if (!unit && len >= 3)
        unit = word_at(tokens, at, end);
    if (unit && !strcmp(unit, "lb") && apart && lam_at(tokens, at) == 'p' && lam_at(tokens, *end) == ' ' &&
        !memcmp(tokens->text.ptr + at, "pound ", 6))
        return NULL; /* five pound coins */
    return unit;
}

unsigned lam_number_word(struct lam_sv word)
{
    static const struct {
        const char *word;
        unsigned value;
    } names[] = {{"one", 1},     {"two", 2},     {"three", 3},     {"four", 4},     {"five", 5},     {"six", 6},       {"seven", 7},
                 {"eight", 8},   {"nine", 9},    {"ten", 10},      {"eleven", 11},  {"twelve", 12},  {"fifteen", 15}, {"twenty", 20},
                 {"thirty", 30}, {"forty", 40},  {"fifty", 50},    {"sixty", 60},   {"ninety", 90},  {"hundred", 100}};

    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (word.len && *word.ptr == *names[k].word && lam_sv_eq(word, lam_sv_of(names[k].word)))
            return names[k].value;
    return 0;
}

/* business and working days are days */
static size_t past_kind_of_day(const struct lam_tokens *tokens, size_t at)
{
    static const char *const kinds[] = {" business days", " working days", " calendar days"};

    for (size_t k = 0; lam_at(tokens, at) == ' ' && k < sizeof kinds / sizeof *kinds; k++)
        if (at + strlen(kinds[k]) <= tokens->text.len && !memcmp(tokens->text.ptr + at, kinds[k], strlen(kinds[k])))
            return at + strlen(kinds[k]) - strlen(" days");
    return at;
}

static bool in_words(const struct lam_tokens *tokens, size_t i, struct lam_entity *entity)
{
    unsigned value = lam_number_word(lam_folded(tokens, i));
    size_t end = tokens->tokens[i].end;
    const char *unit;

    if (!value || (lam_at(tokens, end) != ' ' && lam_at(tokens, end) != '-') ||
        !(unit = unit_behind(tokens, past_kind_of_day(tokens, end), &end)))
        return false;
    entity->type = "quantity";
    entity->start = tokens->tokens[i].start;
    entity->end = end;
    snprintf(entity->value, sizeof entity->value, "%u %s", value, unit);
    return true;
}

bool lam_match_quantity(const struct lam_tokens *tokens, size_t i, size_t from, struct lam_entity *entity)
{
    size_t start = tokens->tokens[i].start, end, len = 0;
    struct lam_entity_number number, upto = {.count = 0};
    bool negative;
    const char *unit;

    if (!(tokens->tokens[i].flags & LAM_TOKEN_DIGIT)) {
        const struct lam_lex *lex = tokens->terms[tokens->tokens[i].term].lex;

        return lex && lex->flags & LAM_LEX_NUMBER && in_words(tokens, i, entity);
    }
    if (!lam_starts_clean(tokens, start) || !lam_read_number(tokens, start, false, &number))
        return false;
    end = number.end;
    if (lam_at(tokens, end) == '-' && lam_is_digit(lam_at(tokens, end + 1))) { /* 7-10 days */
        if (!lam_read_number(tokens, end + 1, false, &upto))
            return false;
        end = upto.end;
    }
    if (!(unit = unit_behind(tokens, past_kind_of_day(tokens, end), &end)))
        return false;
    negative = start > from && tokens->text.ptr[start - 1] == '-' && !(start > 1 && lam_is_alnum(tokens->text.ptr[start - 2]));
    entity->type = "quantity";
    entity->start = start - negative;
    entity->end = end;
    if (negative)
        entity->value[len++] = '-';
    len += lam_write_number(entity->value + len, &number, 0);
    if (upto.count) {
        entity->value[len++] = '-';
        len += lam_write_number(entity->value + len, &upto, 0);
    }
    snprintf(entity->value + len, sizeof entity->value - len, " %s", unit);
    return true;
}
