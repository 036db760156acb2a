/*
 * What speaks for a person, an organisation or a place: points, about 20 of which are enough. They were set by hand, and corrected by
 * every other of the labelled sentences (tests/data/builtin).
 */
#include "names_parts.h"

enum { KNOWN = 50, TITLED = 50, LEGAL = 60, SURE = 40, LIKELY = 25, HINT = 12, TRACE = 6 };

/* The sequence at a glance. */
struct look {
    size_t words;        /* without particles */
    uint32_t phrase;     /* flags of the whole */
    uint32_t first, last, any; /* flags of its words */
    size_t known_prefix; /* words at its begin that are a known place */
    size_t longest;      /* bytes of a word */
    bool caps, initial, known, particle;
    bool strange;        /* no word of it is known, or stands in lower case anywhere in the corpus */
};

static void add(struct lam_name *name, int person, int org, int place)
{
    name->score[LAM_NAME_PERSON] += person;
    name->score[LAM_NAME_ORG] += org;
    name->score[LAM_NAME_PLACE] += place;
}

static bool lower_word(const struct lam_tokens *tokens, size_t i) { return !(tokens->tokens[i].flags & LAM_TOKEN_UPPER); }

/* Reads the words; their hashes become the clues of the name itself. */
static struct look look_at(const struct lam_name_reader *reader, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    struct look look = {.caps = true, .strange = reader->gazetteer != NULL};
    uint64_t phrase = 0, hash = 0;

    for (size_t i = name->first; i < name->last; i++) {
        bool possessive;
        uint32_t flags;
        size_t end;

        hash = lam_name_word(tokens, i, &end, &possessive);
        flags = lam_name_words_find(reader->words, hash);
        phrase = lam_phrase_hash(phrase, hash);
        if (i == name->first)
            name->clues[LAM_CLUE_FIRST] = lam_name_clue(LAM_CLUE_FIRST, hash);
        if (lower_word(tokens, i)) {
            look.particle |= lam_sv_eq(lam_token_sv(tokens, i), LAM_SV("bin")) || lam_sv_eq(lam_token_sv(tokens, i), LAM_SV("ibn")) ||
                             lam_sv_eq(lam_token_sv(tokens, i), LAM_SV("van")) || lam_sv_eq(lam_token_sv(tokens, i), LAM_SV("von")) ||
                             lam_sv_eq(lam_token_sv(tokens, i), LAM_SV("der"));
            continue;
        }
        look.strange &= !flags && !tokens->terms[tokens->tokens[i].term].lex && !lam_name_common(reader, i);
        look.longest = end - tokens->tokens[i].start > look.longest ? end - tokens->tokens[i].start : look.longest;
        look.words++;
        look.any |= flags;
        look.last = flags;
        if (i == name->first)
            look.first = flags;
        look.caps &= (tokens->tokens[i].flags & LAM_TOKEN_CAPS) || end - tokens->tokens[i].start == 1;
        look.initial |= i > name->first && i + 1 < name->last && end - tokens->tokens[i].start == 1;
        look.phrase = i == name->first ? flags : lam_name_words_find(reader->words, phrase);
        if (look.phrase & LAM_NAME_KNOWN_PLACE)
            look.known_prefix = i + 1 - name->first;
    }
    look.known = look.phrase & (LAM_NAME_KNOWN_PLACE | LAM_NAME_KNOWN_ORG);
    name->clues[LAM_CLUE_NAME] = lam_name_clue(LAM_CLUE_NAME, phrase);
    name->clues[LAM_CLUE_LAST] = look.words > 1 ? lam_name_clue(LAM_CLUE_LAST, hash) : 0;
    return look;
}

/* The name of itself. */
static void by_words(const struct lam_name_reader *reader, const struct look *look, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    size_t start = tokens->tokens[name->first].start;

    if (look->phrase & LAM_NAME_KNOWN_PLACE)
        add(name, 0, 0, KNOWN);
    if (look->phrase & LAM_NAME_KNOWN_ORG)
        add(name, 0, KNOWN, 0);
    if (look->words == 1) {
        add(name, look->first & LAM_NAME_FIRST ? LIKELY - 3 : 0, 0, 0);
        if (look->caps && !look->known && !reader->shouting && look->longest <= 6 && !lam_name_common(reader, name->first))
            add(name, 0, HINT + 2, 0);
        if (look->first & (LAM_NAME_BODY | LAM_NAME_DIRECTION) && !look->known && lam_name_sentence_begins(tokens, name->first))
            add(name, 0, -LIKELY, 0); /* Union officials, Federal agents */
        return;
    }
    if (look->words <= 4 && look->first & LAM_NAME_FIRST)
        add(name, SURE, 0, 0);
    if (look->words <= 4 && look->initial)
        add(name, LIKELY, 0, 0);
    if (look->words <= 3)
        add(name, TRACE, TRACE / 2, 0);
    if (look->words <= 3 && look->strange && !look->caps)
        add(name, HINT, 0, 0);
    if (look->particle)
        add(name, LIKELY, 0, 0);
    if (look->caps && look->longest <= 4 && !look->known && !reader->shouting)
        add(name, 0, LIKELY - 5, 0);
    if (look->last & LAM_NAME_LEGAL)
        add(name, -LIKELY, LEGAL, -LIKELY);
    if (look->last & LAM_NAME_BODY)
        add(name, -HINT, SURE, -HINT);
    else if (look->any & LAM_NAME_BODY)
        add(name, -TRACE, LIKELY, 0);
    if (look->last & LAM_NAME_SITE)
        add(name, -HINT, 0, SURE);
    if (look->first & LAM_NAME_SITE_HEAD && !(look->last & (LAM_NAME_BODY | LAM_NAME_LEGAL)))
        add(name, 0, 0, LIKELY);
    if (look->first & LAM_NAME_DIRECTION && look->last & LAM_NAME_KNOWN_PLACE && look->words == 2)
        add(name, 0, 0, SURE);
    else if (look->known_prefix && look->known_prefix < name->last - name->first &&
             tokens->text.ptr[tokens->tokens[name->first + look->known_prefix].start - 1] != '-' && !(look->last & LAM_NAME_SITE))
        add(name, look->first & LAM_NAME_FIRST ? 0 : -HINT, LIKELY, 0); /* Boston Red Sox */
    if (memchr(tokens->text.ptr + start, '&', name->end - start))
        add(name, -HINT, LIKELY, 0);
}

/* What stands before it in its sentence. */
static void by_before(const struct lam_name_reader *reader, const struct look *look, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    size_t i = name->first, space;
    struct lam_sv word;
    uint32_t flags;

    if (i == tokens->title_count || lam_name_sentence_begins(tokens, i))
        return;
    flags = lam_name_flags(reader, i - 1);
    space = tokens->tokens[i].start - tokens->tokens[i - 1].end;
    word = lam_term_sv(tokens, &tokens->terms[tokens->tokens[i - 1].term]);
    name->clues[LAM_CLUE_BEFORE] =
        lam_name_clue(LAM_CLUE_BEFORE, tokens->terms[tokens->tokens[i - 1].term].hash + (tokens->tokens[i].gap & LAM_GAP_PUNCT));
    if (space > 2 || tokens->tokens[i].gap & (LAM_GAP_PUNCT | LAM_GAP_LINE))
        return;
    if (tokens->tokens[i - 1].flags & LAM_TOKEN_UPPER && !lam_sv_eq(word, LAM_SV("the")) && !lam_sv_eq(word, LAM_SV("in"))) {
        if (flags & (LAM_NAME_TITLE | LAM_NAME_TITLE_PART) && !look->known)
            add(name, TITLED, -HINT, -HINT);
        else if (flags & LAM_NAME_TITLE)
            add(name, LIKELY, 0, 0);
        return;
    }
    if (flags & LAM_NAME_ROLE && !(look->last & (LAM_NAME_BODY | LAM_NAME_LEGAL)))
        add(name, SURE, 0, -TRACE);
    if (flags & LAM_NAME_BUSINESS)
        add(name, 0, LIKELY, 0);
    if (flags & LAM_NAME_AT)
        add(name, -HINT, 0, lam_sv_eq(word, LAM_SV("in")) ? LIKELY - 3 : HINT);
    else if (lam_sv_eq(word, LAM_SV("at")))
        add(name, -TRACE, TRACE, TRACE);
    else if (lam_sv_eq(word, LAM_SV("the")))
        add(name, -LIKELY, HINT, -TRACE);
    else if (lam_sv_eq(word, LAM_SV("against")) || lam_sv_eq(word, LAM_SV("beat")))
        add(name, 0, HINT, 0);
}

/* "LONDON (Reuters) -", "SOMERS, NY -", "AP -": the place or the agency that a report begins with. */
static bool dateline(const struct lam_tokens *tokens, const struct lam_name *name)
{
    const char *p = tokens->text.ptr + name->end;
    size_t left = tokens->text.len - name->end;

    if (name->first != tokens->title_count || left < 4)
        return false;
    return !memcmp(p, " - ", 3) || !memcmp(p, " -- ", 4) || !memcmp(p, ": ", 2) || !memcmp(p, " (", 2) || !memcmp(p, ", ", 2);
}

/* Behind a comma: a state or a country? */
static bool then_a_place(const struct lam_name_reader *reader, const struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    uint64_t phrase = 0;

    if (name->last >= tokens->count || tokens->tokens[name->last].start != name->end + 2 || tokens->text.ptr[name->end] != ',')
        return false;
    for (size_t i = name->last; i < name->last + 3 && i < tokens->count && tokens->tokens[i].flags & LAM_TOKEN_UPPER; i++) {
        phrase = lam_phrase_hash(phrase, tokens->terms[tokens->tokens[i].term].hash);
        if (lam_name_words_find(reader->words, phrase) & LAM_NAME_KNOWN_PLACE)
            return true;
    }
    return false;
}

static void by_behind(const struct lam_name_reader *reader, const struct look *look, struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    size_t i = name->last, left = tokens->text.len - name->end;
    const char *p = tokens->text.ptr + name->end;
    uint32_t flags;

    if (look->caps && dateline(tokens, name) && !look->known)
        add(name, -HINT, 0, name->end - name->start > 4 ? SURE : 0);
    if (then_a_place(reader, name))
        add(name, -TRACE, 0, LIKELY);
    if (left >= 6 && !memcmp(p, "-based", 6))
        add(name, -HINT, 0, SURE);
    if (i >= tokens->count || tokens->tokens[i].gap & (LAM_GAP_STOP | LAM_GAP_PARA))
        return;
    name->clues[LAM_CLUE_BEHIND] =
        lam_name_clue(LAM_CLUE_BEHIND, tokens->terms[tokens->tokens[i].term].hash + (tokens->tokens[i].gap & LAM_GAP_PUNCT));
    if (!lower_word(tokens, i))
        return;
    flags = lam_name_flags(reader, i);
    if (tokens->tokens[i].gap & LAM_GAP_PUNCT) {
        if (left > 5 && !memcmp(p, ", who", 5))
            add(name, LIKELY, 0, 0);
        return;
    }
    if (flags & LAM_NAME_SAY)
        add(name, HINT, HINT - 2, -TRACE);
    if (flags & LAM_NAME_BUSINESS)
        add(name, 0, LIKELY - 5, 0);
}

static void by_memory(const struct lam_name_reader *reader, struct lam_name *name)
{
    size_t token = name->last - 1;

    for (size_t i = 0; i < reader->memory_count; i++) {
        if (reader->memory[i].term == reader->tokens->tokens[token].term) {
            name->score[reader->memory[i].type] += SURE;
            return;
        }
    }
}

/* Capitals among capitals say nothing. */
static bool shouted(const struct lam_name_reader *reader, const struct look *look, const struct lam_name *name)
{
    const struct lam_tokens *tokens = reader->tokens;
    const uint8_t apart = LAM_GAP_PUNCT | LAM_GAP_STOP | LAM_GAP_PARA;

    if (!look->caps)
        return false;
    if (look->words > 4)
        return true;
    return (name->first > tokens->title_count && tokens->tokens[name->first - 1].flags & LAM_TOKEN_CAPS &&
            !(tokens->tokens[name->first].gap & apart)) ||
           (name->last < tokens->count && tokens->tokens[name->last].flags & LAM_TOKEN_CAPS && !(tokens->tokens[name->last].gap & apart));
}

/* What the corpus says of the name and its words, and, less reliably, of its neighbours. */
static void by_corpus(const struct lam_name_reader *reader, struct lam_name *name)
{
    for (int t = 0; t < LAM_NAME_TYPES; t++) {
        int own = 0, beside = 0;

        for (size_t k = 0; k < LAM_CLUES; k++) {
            const struct lam_clue *clue = name->clues[k] ? lam_gazetteer_find(reader->gazetteer, name->clues[k]) : NULL;

            if (clue && k < LAM_CLUE_BEFORE)
                own += clue->weight[t];
            else if (clue)
                beside += clue->weight[t];
        }
        name->score[t] += own + (beside > HINT ? HINT : beside);
    }
}

bool lam_name_score(const struct lam_name_reader *reader, struct lam_name *name)
{
    struct look look = look_at(reader, name);
    const struct lam_lex *lex = reader->tokens->terms[reader->tokens->tokens[name->first].term].lex;

    if (look.phrase & LAM_NAME_NEVER || (!look.known && shouted(reader, &look, name)))
        return false;
    if (look.words == 1 && !look.known && lam_name_sentence_begins(reader->tokens, name->first) && lex && (lex->valence || lex->flags))
        return false; /* Great …, However … */
    by_words(reader, &look, name);
    by_before(reader, &look, name);
    by_behind(reader, &look, name);
    if (look.words == 1)
        by_memory(reader, name);
    if (reader->gazetteer)
        by_corpus(reader, name);
    return true;
}
