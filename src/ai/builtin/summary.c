#include "summary.h"

#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "fmath.h"
#include "vector.h"

#define DAMPING 0.85
#define ROUNDS 8         /* the walk has converged below what the choice needs */
#define SENTENCE_TERMS 48 /* distinct content words of a sentence that enter its vector */
#define REDUNDANT 0.7    /* how much of its score a sentence loses for each unit of its largest cosine with a chosen one */
#define SHORT_WORDS 5
#define LONG_WORDS 45
#define HEADING_WORDS 12

struct node {
    uint32_t sentence;
    uint32_t term_count;
    uint32_t terms[SENTENCE_TERMS];
    float weights[SENTENCE_TERMS]; /* unit length */
    double score;
};

void lam_summary_init(struct lam_summary *summary) { *summary = (struct lam_summary){0}; }

void lam_summary_release(struct lam_summary *summary)
{
    free(summary->weights);
    free(summary->marks);
    lam_summary_init(summary);
}

static int prepare(struct lam_summary *summary, size_t terms, struct lam_error *err)
{
    size_t more = summary->term_cap ? summary->term_cap : 1024;
    float *weights, *marks;

    if (terms > summary->term_cap) {
        while (more < terms)
            more *= 2;
        weights = realloc(summary->weights, more * sizeof *weights);
        summary->weights = weights ? weights : summary->weights;
        marks = realloc(summary->marks, more * sizeof *marks);
        summary->marks = marks ? marks : summary->marks;
        if (!weights || !marks)
            return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a summary of %zu terms", terms);
        summary->term_cap = more;
    }
    memset(summary->marks, 0, terms * sizeof *summary->marks);
    return 0;
}

/* A term's weight: 0 for stop words; else the rarer in the corpus, or without one in the text, the more. */
static void weigh(struct lam_summary *summary, const struct lam_tokens *tokens, size_t sentences, enum lam_language language)
{
    double once = lam_log(1.0 + (double)sentences);

    for (size_t i = 0; i < tokens->term_count; i++) {
        const struct lam_term *term = &tokens->terms[i];
        bool stop = term->lex && (term->lex->langs >> language & 1 || (term->lex->langs & 1 && language == LAM_LANG_EN));

        if (stop || term->flags & LAM_TOKEN_EMOJI)
            summary->weights[i] = 0;
        else if (tokens->corpus && tokens->corpus->count)
            summary->weights[i] = (float)lam_corpus_idf(tokens->corpus, term->word);
        else
            summary->weights[i] = (float)(term->count == 1 ? once : lam_log(1.0 + (double)sentences / term->count));
    }
}

/* How near a sentence is to the mean vector of the text. */
static double centroid(const struct lam_summary *summary, const struct lam_tokens *tokens, const struct lam_sentence *sentence)
{
    double sum = 0, norm = 0;

    for (uint32_t i = sentence->first; i < sentence->last; i++) {
        const struct lam_term *term = &tokens->terms[tokens->tokens[i].term];
        double weight = summary->weights[tokens->tokens[i].term];

        sum += weight * weight * term->count;
        norm += weight * weight;
    }
    return norm > 0 ? sum / sqrt(norm) : 0;
}

/* The sentences that enter the graph, in the order of the text. */
static size_t choose_nodes(const struct lam_summary *summary, const struct lam_tokens *tokens, const struct lam_sentences *sentences,
                           struct node *nodes)
{
    uint32_t best[LAM_SUMMARY_GRAPH];
    double scores[LAM_SUMMARY_GRAPH];
    size_t count = 0;

    if (sentences->count <= LAM_SUMMARY_GRAPH) {
        for (size_t i = 0; i < sentences->count; i++)
            nodes[i].sentence = (uint32_t)i;
        return sentences->count;
    }
    for (size_t i = 0; i < sentences->count; i++) {
        double score = centroid(summary, tokens, &sentences->items[i]);
        size_t at;

        if (count == LAM_SUMMARY_GRAPH && score <= scores[count - 1])
            continue;
        at = count < LAM_SUMMARY_GRAPH ? count++ : count - 1;
        for (; at > 0 && scores[at - 1] < score; at--) {
            scores[at] = scores[at - 1];
            best[at] = best[at - 1];
        }
        scores[at] = score;
        best[at] = (uint32_t)i;
    }
    for (size_t i = 1; i < count; i++) { /* back into the order of the text */
        uint32_t moved = best[i];
        size_t at = i;

        for (; at > 0 && best[at - 1] > moved; at--)
            best[at] = best[at - 1];
        best[at] = moved;
    }
    for (size_t i = 0; i < count; i++)
        nodes[i].sentence = best[i];
    return count;
}

static void fill_node(struct lam_summary *summary, const struct lam_tokens *tokens, const struct lam_sentence *sentence, struct node *node)
{
    double norm = 0;

    node->term_count = 0;
    for (uint32_t i = sentence->first; i < sentence->last; i++) {
        uint32_t term = tokens->tokens[i].term;

        if (summary->weights[term] <= 0)
            continue;
        if (summary->marks[term] == 0) {
            if (node->term_count == SENTENCE_TERMS)
                continue;
            node->terms[node->term_count++] = term;
        }
        summary->marks[term] += summary->weights[term];
    }
    for (uint32_t i = 0; i < node->term_count; i++) {
        node->weights[i] = summary->marks[node->terms[i]];
        norm += (double)node->weights[i] * node->weights[i];
        summary->marks[node->terms[i]] = 0;
    }
    norm = norm > 0 ? 1 / sqrt(norm) : 0;
    for (uint32_t i = 0; i < node->term_count; i++)
        node->weights[i] = (float)(node->weights[i] * norm);
}

static void cosines(struct lam_summary *summary, const struct node *nodes, size_t count, float *matrix)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t t = 0; t < nodes[i].term_count; t++)
            summary->marks[nodes[i].terms[t]] = nodes[i].weights[t];
        matrix[i * count + i] = nodes[i].term_count ? 1 : 0;
        for (size_t j = i + 1; j < count; j++) {
            float sum = 0;

            for (uint32_t t = 0; t < nodes[j].term_count; t++)
                sum += nodes[j].weights[t] * summary->marks[nodes[j].terms[t]];
            matrix[i * count + j] = matrix[j * count + i] = sum;
        }
        for (uint32_t t = 0; t < nodes[i].term_count; t++)
            summary->marks[nodes[i].terms[t]] = 0;
    }
}

static void rank_nodes(struct node *nodes, size_t count, const float *matrix)
{
    double rank[LAM_SUMMARY_GRAPH], next[LAM_SUMMARY_GRAPH], share[LAM_SUMMARY_GRAPH], most = 0;

    for (size_t i = 0; i < count; i++) {
        rank[i] = 1.0 / (double)count;
        share[i] = 0;
        for (size_t j = 0; j < count; j++)
            share[i] += matrix[i * count + j];
        share[i] = share[i] > 0 ? 1 / share[i] : 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        memset(next, 0, count * sizeof *next);
        for (size_t j = 0; j < count; j++)
            lam_add_scaled(next, &matrix[j * count], rank[j] * share[j], count);
        for (size_t i = 0; i < count; i++)
            next[i] = (1 - DAMPING) / (double)count + DAMPING * next[i];
        memcpy(rank, next, count * sizeof *rank);
    }
    for (size_t i = 0; i < count; i++)
        most = rank[i] > most ? rank[i] : most;
    for (size_t i = 0; i < count; i++)
        nodes[i].score = most > 0 ? rank[i] / most : 0;
}

/* Position, length, and words of the title. */
static double prior(const struct lam_tokens *tokens, const struct lam_sentence *sentence, const struct node *node)
{
    uint32_t words = sentence->last - sentence->first, titled = 0;
    double factor = 1 + 0.6 / (1 + 0.7 * node->sentence);

    for (uint32_t t = 0; t < node->term_count; t++)
        titled += tokens->terms[node->terms[t]].first < tokens->title_count;
    if (node->term_count)
        factor *= 1 + 0.5 * titled / node->term_count;
    if (words < SHORT_WORDS)
        factor *= 0.35;
    else if (words > LONG_WORDS)
        factor *= 0.8;
    if (sentence->heading && words < HEADING_WORDS)
        factor *= 0.5;
    return factor;
}

static size_t pick(struct node *nodes, size_t count, const float *matrix, size_t max, uint32_t chosen[])
{
    bool taken[LAM_SUMMARY_GRAPH] = {false};
    float nearest[LAM_SUMMARY_GRAPH] = {0}; /* the largest cosine with a chosen one */
    size_t given = 0;

    for (; given < max && given < count; given++) {
        size_t best = SIZE_MAX;
        double most = 0;

        for (size_t i = 0; i < count; i++) {
            double value = nodes[i].score * (1 - REDUNDANT * (double)nearest[i]);

            if (!taken[i] && (best == SIZE_MAX || value > most)) {
                best = i;
                most = value;
            }
        }
        taken[best] = true;
        for (size_t i = 0; i < count; i++)
            nearest[i] = matrix[best * count + i] > nearest[i] ? matrix[best * count + i] : nearest[i];
    }
    given = 0;
    for (size_t i = 0; i < count; i++)
        if (taken[i])
            chosen[given++] = nodes[i].sentence;
    return given;
}

/* The sentences of a short text. The last one heads nothing: it only lacks its full stop. */
static size_t all_but_headings(const struct lam_sentences *sentences, uint32_t chosen[])
{
    size_t given = 0;

    for (int pass = 0; pass < 2 && !given; pass++) /* the second, where all are headings, takes them */
        for (size_t i = 0; i < sentences->count; i++) {
            const struct lam_sentence *sentence = &sentences->items[i];

            if (pass || !sentence->heading || i + 1 == sentences->count || sentence->last - sentence->first >= HEADING_WORDS)
                chosen[given++] = (uint32_t)i;
        }
    return given;
}

static int add_sentence(struct lam_buf *out, struct lam_sv text, struct lam_error *err)
{
    char clean[LAM_SUMMARY_SENTENCE + 8];
    size_t len = 0, i = 0, last_blank = 0;
    bool cut = false;

    while (i < text.len) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t n = c < 0x80 ? 1 : lam_utf8_len(text.ptr + i, text.len - i);

        if (c == ' ' || (c >= 9 && c <= 13)) {
            if (len && clean[len - 1] != ' ') {
                last_blank = len;
                clean[len++] = ' ';
            }
            i++;
        } else {
            if (len + 4 > LAM_SUMMARY_SENTENCE) {
                cut = true;
                break;
            }
            if (n == 1 && c < 32) {
                i++;
                continue;
            }
            memcpy(clean + len, n ? text.ptr + i : "\xef\xbf\xbd", n ? n : 3);
            len += n ? n : 3;
            i += n ? n : 1;
        }
        if (len + 4 > LAM_SUMMARY_SENTENCE) {
            cut = i < text.len;
            break;
        }
    }
    if (cut) {
        len = last_blank > LAM_SUMMARY_SENTENCE / 2 ? last_blank : len;
        memcpy(clean + len, "\xe2\x80\xa6", 3);
        len += 3;
    }
    while (len && clean[len - 1] == ' ')
        len--;
    return lam_buf_add(out, clean, len, err);
}

int lam_summary_make(struct lam_summary *summary, const struct lam_tokens *tokens, const struct lam_sentences *sentences,
                     enum lam_language language, uint32_t max, struct lam_buf *out, struct lam_error *err)
{
    float matrix[LAM_SUMMARY_GRAPH * LAM_SUMMARY_GRAPH];
    struct node nodes[LAM_SUMMARY_GRAPH];
    uint32_t chosen[LAM_SUMMARY_SENTENCES];
    size_t count, given;
    int rc;

    max = max < LAM_SUMMARY_SENTENCES ? max : LAM_SUMMARY_SENTENCES;
    if (!sentences->count || !max)
        return 0;
    if (sentences->count <= max) {
        given = all_but_headings(sentences, chosen);
    } else {
        if ((rc = prepare(summary, tokens->term_count, err)))
            return rc;
        weigh(summary, tokens, sentences->count, language);
        count = choose_nodes(summary, tokens, sentences, nodes);
        for (size_t i = 0; i < count; i++)
            fill_node(summary, tokens, &sentences->items[nodes[i].sentence], &nodes[i]);
        cosines(summary, nodes, count, matrix);
        rank_nodes(nodes, count, matrix);
        for (size_t i = 0; i < count; i++)
            nodes[i].score *= prior(tokens, &sentences->items[nodes[i].sentence], &nodes[i]);
        given = pick(nodes, count, matrix, max, chosen);
    }
    for (size_t i = 0; i < given; i++) {
        const struct lam_sentence *sentence = &sentences->items[chosen[i]];

        if ((i && (rc = lam_buf_add(out, " ", 1, err))) ||
            (rc = add_sentence(out, lam_sv(tokens->text.ptr + sentence->start, sentence->end - sentence->start), err)))
            return rc;
    }
    return 0;
}
