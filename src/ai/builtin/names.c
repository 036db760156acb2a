/* Where a capitalised sequence begins and ends, and which type its text remembers for it. names_score.c says what speaks for which. */
#include "names_parts.h"

#include "base/hash.h"

#define ENOUGH 18        /* points that a type needs */
#define ENOUGH_NOUNS 34  /* where every noun has a capital */
#define AHEAD 6          /* and so many more than the next */

/* The token's word without a possessive 's: its hash, and the byte where it ends. */
uint64_t lam_name_word(const struct lam_tokens *tokens, size_t i, size_t *end, bool *possessive)
{
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_term *term = &tokens->terms[token->term];
    const char *p = tokens->text.ptr + token->end;
    struct lam_sv fold;

    *end = token->end;
    *possessive = false;
    if (token->end - token->start < 4 || (p[-1] | 0x20) != 's')
        return term->hash;
    if (p[-2] == '\'')
        *end -= 2;
    else if (!memcmp(p - 4, "\xe2\x80\x99", 3))
        *end -= 4;
    else
        return term->hash;
    *possessive = true;
    fold = lam_term_sv(tokens, term);
    return lam_hash64(fold.ptr, fold.len - 2);
}

uint32_t lam_name_flags(const struct lam_name_reader *reader, size_t i)
{
    size_t end;
    bool possessive;

    return lam_name_words_find(reader->words, lam_name_word(reader->tokens, i, &end, &possessive));
}

uint8_t lam_name_common(const struct lam_name_reader *reader, size_t i)
{
    const struct lam_tokens *tokens = reader->tokens;
    const struct lam_clue *clue =
        lam_gazetteer_find(reader->gazetteer, lam_name_clue(LAM_CLUE_COMMON, tokens->terms[tokens->tokens[i].term].hash));

    return clue ? clue->common : 0;
}

static const struct lam_lex *lex_of(const struct lam_tokens *tokens, size_t i) { return tokens->terms[tokens->tokens[i].term].lex; }

/* Are tokens i and i + 1 side by side in the text, with nothing but what between says? */
static inline bool beside(const struct lam_tokens *tokens, size_t i, const char *between)
{
    size_t len = strlen(between), end = tokens->tokens[i].end;

    return i + 1 < tokens->count && tokens->tokens[i + 1].start - end == len && !memcmp(tokens->text.ptr + end, between, len);
}

static bool letter(const struct lam_tokens *tokens, size_t i) { return tokens->tokens[i].end - tokens->tokens[i].start == 1; }

/* "I" and "A" are words unless a full stop or another name's word is beside them. */
static bool lone_word(const struct lam_tokens *tokens, size_t i)
{
    const struct lam_token *token = &tokens->tokens[i];
    char c = tokens->text.ptr[token->start];

    return (c == 'I' || c == 'A') && !(token->end < tokens->text.len && tokens->text.ptr[token->end] == '.');
}

/* flags: of the word at i */
static bool title_at(const struct lam_name_reader *reader, size_t i, uint32_t flags)
{
    if (flags & LAM_NAME_TITLE)
        return true;
    if (!(flags & LAM_NAME_TITLE_PART))
        return false;
    if (i + 1 < reader->tokens->count && (beside(reader->tokens, i, " ") || beside(reader->tokens, i, "-")) &&
        lam_name_flags(reader, i + 1) & (LAM_NAME_TITLE | LAM_NAME_TITLE_PART))
        return true;
    return i > reader->tokens->title_count && beside(reader->tokens, i - 1, " ") &&
           lam_name_flags(reader, i - 1) & LAM_NAME_TITLE_PART;
}

bool lam_name_sentence_begins(const struct lam_tokens *tokens, size_t i)
{
    const struct lam_lex *lex;

    if (i == tokens->title_count || tokens->tokens[i].gap & LAM_GAP_PARA)
        return true;
    if (tokens->tokens[i].start > 2 && !memcmp(tokens->text.ptr + tokens->tokens[i].start - 2, "- ", 2))
        return true; /* AP - Federal officials … */
    if (!(tokens->tokens[i].gap & LAM_GAP_STOP))
        return false;
    lex = lex_of(tokens, i - 1);
    return !(lex && lex->flags & LAM_LEX_ABBREVIATION);
}

/* Can the word at i be a part of a name at all? */
static bool fits(const struct lam_name_reader *reader, size_t i, bool begins)
{
    const struct lam_tokens *tokens = reader->tokens;
    const struct lam_token *token = &tokens->tokens[i];
    const struct lam_lex *lex = lex_of(tokens, i);
    uint32_t flags;
    bool stop;

    if (!(token->flags & LAM_TOKEN_UPPER) || token->flags & (LAM_TOKEN_DIGIT | LAM_TOKEN_SIGN | LAM_TOKEN_EMOJI))
        return false;
    if (letter(tokens, i) && lone_word(tokens, i))
        return false;
    stop = lex && !letter(tokens, i) && lex->langs & ((uint64_t)1 << reader->language | (uint64_t)1 << LAM_LANG_EN);
    if (stop && begins && !(token->flags & LAM_TOKEN_CAPS))
        return false;
    flags = lam_name_flags(reader, i);
    if (flags & LAM_NAME_WEEKDAY || (lex && lex->flags & LAM_LEX_MONTH && !lex->month_weak) || title_at(reader, i, flags))
        return false;
    if (stop && !(flags & (LAM_NAME_KNOWN_PLACE | LAM_NAME_KNOWN_ORG) && token->flags & LAM_TOKEN_CAPS && !reader->shouting) &&
        !(flags & (LAM_NAME_SITE_HEAD | LAM_NAME_FIRST) && !begins))
        return false; /* US is a country, us is none; San is a stop word somewhere */
    if (!begins)
        return true;
    return lam_name_common(reader, i) < 2;
}

static bool is_month(const struct lam_tokens *tokens, size_t i)
{
    return tokens->tokens[i].flags & LAM_TOKEN_UPPER && lex_of(tokens, i) && lex_of(tokens, i)->flags & LAM_LEX_MONTH;
}

/* Does the name go on behind token i? The token that it goes on with, or 0. *joined: an "of" was passed, and "and" may follow. */
static size_t goes_on(const struct lam_name_reader *reader, size_t i, bool *joined)
{
    const struct lam_tokens *tokens = reader->tokens;
    bool initial = letter(tokens, i), possessive;
    const struct lam_lex *lex = lex_of(tokens, i);
    struct lam_sv word;
    size_t end, next = i + 1;

    if (next >= tokens->count)
        return 0;
    lam_name_word(tokens, i, &end, &possessive);
    if (possessive)
        return 0;
    if (fits(reader, next, false)) {
        if (beside(tokens, i, " ") || beside(tokens, i, "-") || beside(tokens, i, " & ") || beside(tokens, i, "&"))
            return next;
        if ((initial || (lex && lex->flags & LAM_LEX_ABBREVIATION && !(lam_name_flags(reader, i) & LAM_NAME_LEGAL))) &&
            beside(tokens, i, ". "))
            return next;
        if (initial && letter(tokens, next) && beside(tokens, i, "."))
            return next;
        return beside(tokens, i, ", ") && lam_name_flags(reader, next) & LAM_NAME_LEGAL ? next : 0;
    }
    if (tokens->tokens[next].flags & LAM_TOKEN_UPPER || !(beside(tokens, i, " ") || beside(tokens, i, "-")) || next + 1 >= tokens->count)
        return 0;
    word = lam_token_sv(tokens, next);
    if (word.len <= 4 && lam_name_flags(reader, next) & LAM_NAME_PARTICLE) {
        if (next + 2 < tokens->count && beside(tokens, next, " ") && lam_name_flags(reader, next + 1) & LAM_NAME_PARTICLE &&
            !(tokens->tokens[next + 1].flags & LAM_TOKEN_UPPER))
            next++;
        return (beside(tokens, next, " ") || beside(tokens, next, "-")) && (fits(reader, next + 1, false) || is_month(tokens, next + 1))
                   ? next + 1 /* Rio de Janeiro */
                   : 0;
    }
    if (!beside(tokens, next, " ") ||
        !(*joined ? lam_sv_eq(word, LAM_SV("and"))
                  : (lam_sv_eq(word, LAM_SV("of")) || lam_sv_eq(word, LAM_SV("for"))) && lam_name_flags(reader, i) & LAM_NAME_BODY))
        return 0;
    if (lam_sv_eq(word, LAM_SV("of")) && lam_sv_eq(lam_token_sv(tokens, next + 1), LAM_SV("the")) && next + 2 < tokens->count &&
        beside(tokens, next + 1, " "))
        next++;
    *joined = true;
    return fits(reader, next + 1, false) ? next + 1 : 0;
}

/* Words that are no part of a name are taken from its ends, unless an organisation's word at the end holds it together. */
static bool strip(const struct lam_name_reader *reader, struct lam_name *name)
{
    const uint32_t other = LAM_NAME_NEVER | LAM_NAME_NATION;

    if (name->last - name->first > 1 && lam_name_flags(reader, name->last - 1) & (LAM_NAME_BODY | LAM_NAME_LEGAL))
        return true;
    while (name->first < name->last && lam_name_flags(reader, name->last - 1) & LAM_NAME_NEVER)
        name->last--;
    while (name->first < name->last &&
           (lam_name_flags(reader, name->first) & other ||
            (name->first + 1 < name->last && lam_name_flags(reader, name->first) & LAM_NAME_DIRECTION &&
             lam_name_flags(reader, name->first + 1) & LAM_NAME_NATION)))
        name->first++;
    return name->first < name->last;
}

/* The full stop behind an abbreviation belongs to it: Corp., Mich., U.S. */
static void with_stop(const struct lam_name_reader *reader, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    size_t last = name->last - 1;
    const struct lam_lex *lex = lex_of(tokens, last);

    if (name->end >= tokens->text.len || tokens->text.ptr[name->end] != '.')
        return;
    if (lex && lex->flags & LAM_LEX_ABBREVIATION ? lam_name_flags(reader, last) & (LAM_NAME_LEGAL | LAM_NAME_KNOWN_PLACE)
                                                 : letter(tokens, last) && last > name->first && letter(tokens, last - 1))
        name->end++;
}

bool lam_name_read(const struct lam_name_reader *reader, size_t i, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    size_t next, words = 1, first = i;
    bool joined = false, possessive;

    if (!fits(reader, i, lam_name_sentence_begins(tokens, i)))
        return false;
    *name = (struct lam_name){.first = first, .last = i + 1};
    while ((next = goes_on(reader, name->last - 1, &joined))) {
        name->last = next + 1;
        if (++words > LAM_NAME_WORDS)
            return false;
    }
    if (!strip(reader, name))
        return false;
    if (name->first > tokens->title_count && beside(tokens, name->first - 1, "-") && /* al-Qaida */
        !(tokens->tokens[name->first - 1].flags & LAM_TOKEN_UPPER) && lam_name_flags(reader, name->first - 1) & LAM_NAME_PARTICLE)
        name->first--;
    name->start = tokens->tokens[name->first].start;
    lam_name_word(tokens, name->last - 1, &name->end, &possessive);
    if (name->end - name->start < 2)
        return false;
    with_stop(reader, name);
    return lam_name_score(reader, name);
}

void lam_name_begin(struct lam_name_reader *reader, const struct lam_tokens *tokens, const struct lam_name_words *words,
                    const struct lam_gazetteer *gazetteer, enum lam_language language)
{
    size_t capitals = 0, letters = 0;

    for (size_t i = tokens->title_count; i < tokens->count; i++) {
        capitals += (tokens->tokens[i].flags & LAM_TOKEN_CAPS) != 0;
        letters += tokens->tokens[i].end - tokens->tokens[i].start > 1;
    }
    *reader = (struct lam_name_reader){.tokens = tokens,
                                       .words = words,
                                       .gazetteer = gazetteer,
                                       .language = language,
                                       .nouns = language == LAM_LANG_DE,
                                       .shouting = letters > 3 && capitals * 2 > letters};
}

static void remember(struct lam_name_reader *reader, size_t token, enum lam_name_type type)
{
    uint32_t term = reader->tokens->tokens[token].term;

    for (size_t i = 0; i < reader->memory_count; i++)
        if (reader->memory[i].term == term)
            return;
    if (reader->memory_count == LAM_NAME_MEMORY)
        return;
    reader->memory[reader->memory_count].term = term;
    reader->memory[reader->memory_count++].type = (uint8_t)type;
}

enum lam_name_type lam_name_decide(struct lam_name_reader *reader, const struct lam_name *name)
{
    size_t best = 0, second = SIZE_MAX;

    for (size_t t = 1; t < LAM_NAME_TYPES; t++) {
        if (name->score[t] > name->score[best]) {
            second = best;
            best = t;
        } else if (second == SIZE_MAX || name->score[t] > name->score[second]) {
            second = t;
        }
    }
    if (name->score[best] < (reader->nouns ? ENOUGH_NOUNS : ENOUGH) || name->score[best] - name->score[second] < AHEAD)
        return LAM_NAME_TYPES;
    if (name->last - name->first > 1) { /* a person by the family name, an organisation by its first word */
        if (best == LAM_NAME_PERSON)
            remember(reader, name->last - 1, LAM_NAME_PERSON);
        else if (best == LAM_NAME_ORG && !(lam_name_flags(reader, name->first) & ~(uint32_t)LAM_NAME_KNOWN_ORG))
            remember(reader, name->first, LAM_NAME_ORG);
    }
    return (enum lam_name_type)best;
}
