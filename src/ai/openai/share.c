#include "share.h"

#include <stdlib.h>
#include <string.h>

#define TURN_WORDS 10 /* of each rank, that one with a slot keeps it for where there are fewer than ranks: two seconds. Handing it over takes up to half of one */
#define MOST (UINT64_C(1) << 62) /* a limit beyond is as good as this one, and sums of two stay below 2^64 */

enum limit { CONCURRENCY, REQUESTS, TOKENS, LIMITS };

/* Of one limit, one rank's. */
struct part {
    uint64_t spent, want, least;   /* as it said last. least: for one request; 0: it has no work */
    uint64_t floor, target;
    uint64_t granted, granted_before; /* by the share that was sent last, and by the one that it has said to have */
    uint64_t turn;                 /* number of the word that first told of its last request: who has the lowest has waited longest */
    uint64_t since;                /* number of the word when it got something after having had nothing */
};

struct holder {
    struct part parts[LIMITS];
    uint32_t sent, taken; /* numbers of shares */
    uint32_t pause_ms;
    uint64_t requests;
};

struct lam_llm_book {
    struct lam_llm_limits limits;
    uint64_t totals[LIMITS];
    size_t size;
    uint64_t words;
    bool dealt;          /* targets are of what was heard last */
    struct part **order; /* scratch */
    struct holder holders[];
};

bool lam_llm_demand_is_news(const struct lam_llm_demand *told, const struct lam_llm_demand *demand)
{
    return told->open || told->waiting || told->minute_requests || told->minute_tokens || memcmp(told, demand, sizeof *told) != 0;
}

/* Rank r's part of what is dealt out evenly: the first ranks get one more. */
static uint64_t even(uint64_t total, size_t rank, size_t size) { return total / size + (rank < total % size); }

static uint64_t least_of(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most_of(uint64_t a, uint64_t b) { return a > b ? a : b; }

void lam_llm_share_even(const struct lam_llm_limits *limits, size_t rank, size_t size, struct lam_llm_share *share)
{
    *share = (struct lam_llm_share){
        .limits = {(uint32_t)even(limits->concurrency, rank, size), (uint32_t)even(limits->requests_per_minute, rank, size), even(limits->tokens_per_minute, rank, size)},
        .whole = *limits,
    };
}

int lam_llm_book_new(struct lam_llm_book **out, const struct lam_llm_limits *limits, size_t size, struct lam_error *err)
{
    struct lam_llm_book *book = calloc(1, sizeof *book + size * sizeof *book->holders);

    *out = NULL;
    if (!book || !(book->order = calloc(size, sizeof(struct part *)))) {
        free(book);
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for the shares of %zu ranks", size);
    }
    book->limits = *limits;
    book->totals[CONCURRENCY] = limits->concurrency;
    book->totals[REQUESTS] = limits->requests_per_minute;
    book->totals[TOKENS] = least_of(limits->tokens_per_minute, MOST);
    book->size = size;
    for (size_t r = 0; r < size; r++)
        for (int l = 0; l < LIMITS; l++) {
            struct part *part = &book->holders[r].parts[l];

            part->granted = part->granted_before = even(book->totals[l], r, size);
        }
    *out = book;
    return 0;
}

void lam_llm_book_free(struct lam_llm_book *book)
{
    if (!book)
        return;
    free(book->order);
    free(book);
}

/* ---- what a rank says ---- */

static void set_part(const struct lam_llm_book *book, struct holder *holder, enum limit l, uint64_t spent, uint64_t more, uint64_t least)
{
    struct part *part = &holder->parts[l];

    part->spent = spent;
    part->want = least_of(least_of(spent, MOST) + least_of(more, MOST), book->totals[l]);
    part->least = least_of(least, part->want);
}

void lam_llm_book_hear(struct lam_llm_book *book, size_t rank, const struct lam_llm_demand *demand)
{
    struct holder *holder = &book->holders[rank];
    uint64_t each = demand->request_tokens ? demand->request_tokens : 1000; /* before the first one was looked at: a page */
    uint64_t waiting = demand->refused ? 0 : demand->waiting, wanted = demand->refused ? 0 : demand->wanted;

    if (demand->number < holder->taken || demand->number > holder->sent)
        return;
    book->words++;
    book->dealt = false;
    if (demand->requests != holder->requests)
        holder->parts[REQUESTS].turn = holder->parts[TOKENS].turn = book->words;
    if (demand->requests != holder->requests && book->words - holder->parts[CONCURRENCY].since >= TURN_WORDS * book->size)
        holder->parts[CONCURRENCY].turn = book->words;
    holder->requests = demand->requests;
    holder->taken = demand->number;
    holder->pause_ms = demand->pause_ms;
    set_part(book, holder, CONCURRENCY, demand->open, 0, 0);
    holder->parts[CONCURRENCY].want = least_of(wanted, book->totals[CONCURRENCY]); /* fewer than are open, where flow control says so */
    holder->parts[CONCURRENCY].least = least_of(waiting != 0, holder->parts[CONCURRENCY].want);
    set_part(book, holder, REQUESTS, demand->minute_requests, waiting, waiting != 0);
    set_part(book, holder, TOKENS, demand->minute_tokens, waiting * least_of(each, MOST >> 32), waiting ? each : 0);
}

/* ---- what it is to have ---- */

static bool comes_before(const struct part *a, const struct part *b) { return a->turn != b->turn ? a->turn < b->turn : a < b /* in the order of ranks */; }

static int by_turn(const void *a, const void *b) { return comes_before(*(struct part *const *)a, *(struct part *const *)b) ? -1 : 1; }

/* Enough for a request; where that is more than the total, for those that waited longest. */
static void deal_floors(struct lam_llm_book *book, enum limit l)
{
    uint64_t sum = 0, left = book->totals[l];

    for (size_t r = 0; r < book->size; r++) {
        struct part *part = &book->holders[r].parts[l];

        book->order[r] = part;
        part->floor = part->least;
        if (sum <= left)
            sum += part->least;
    }
    if (sum <= left)
        return;
    qsort((void *)book->order, book->size, sizeof(struct part *), by_turn);
    for (size_t i = 0; i < book->size; i++) {
        if (book->order[i]->floor > left)
            book->order[i]->floor = 0;
        left -= book->order[i]->floor;
    }
}

static uint64_t at_level(const struct part *part, uint64_t level) { return most_of(least_of(level, part->want), part->floor); }

/* What all have with the water at `level`; more than the total, if it is more. */
static uint64_t filled(const struct lam_llm_book *book, enum limit l, uint64_t level)
{
    uint64_t sum = 0;

    for (size_t r = 0; r < book->size && sum <= book->totals[l]; r++)
        sum += at_level(&book->holders[r].parts[l], level);
    return sum;
}

/* Max-min: the water rises to the same level for all that want so much. Integers only: bit by bit the same everywhere. */
static void deal(struct lam_llm_book *book, enum limit l)
{
    uint64_t low = 0, high = book->totals[l], left;

    deal_floors(book, l);
    while (low < high) { /* the highest level that the total reaches */
        uint64_t middle = low + (high - low + 1) / 2;

        if (filled(book, l, middle) <= book->totals[l])
            low = middle;
        else
            high = middle - 1;
    }
    left = book->totals[l] - filled(book, l, low);
    for (size_t r = 0; r < book->size; r++) {
        struct part *part = &book->holders[r].parts[l];

        part->target = at_level(part, low);
        if (low == book->totals[l]) { /* all are content */
            part->target += even(left, r, book->size);
        } else if (left && part->target == low && part->want > low) {
            part->target++; /* what does not divide */
            left--;
        }
    }
}

static uint64_t held(const struct part *part) { return most_of(part->spent, most_of(part->granted, part->granted_before)); }

/* What the others leave: by what they hold, and by what those are about to get whose turn is sooner. */
static uint64_t room_for(const struct lam_llm_book *book, size_t rank, enum limit l)
{
    const struct part *own = &book->holders[rank].parts[l];
    uint64_t left = book->totals[l];

    for (size_t r = 0; r < book->size; r++) {
        const struct part *part = &book->holders[r].parts[l];

        if (r == rank)
            continue;
        left -= least_of(left, held(part));
        if (comes_before(part, own) && least_of(part->target, part->want) > held(part))
            left -= least_of(left, least_of(part->target, part->want) - held(part));
    }
    return left;
}

static void grant(struct lam_llm_book *book, size_t rank)
{
    struct holder *holder = &book->holders[rank];
    uint64_t parts[LIMITS];
    bool changed = false;

    for (int l = 0; l < LIMITS && !book->dealt; l++)
        if (book->totals[l])
            deal(book, (enum limit)l);
    book->dealt = true;
    for (int l = 0; l < LIMITS; l++) {
        parts[l] = least_of(holder->parts[l].target, room_for(book, rank, (enum limit)l));
        changed |= parts[l] != holder->parts[l].granted;
    }
    if (!changed)
        return;
    holder->sent++;
    for (int l = 0; l < LIMITS; l++) {
        if (!holder->parts[l].granted)
            holder->parts[l].since = book->words;
        holder->parts[l].granted = parts[l];
    }
}

bool lam_llm_book_share(struct lam_llm_book *book, size_t rank, struct lam_llm_share *share)
{
    struct holder *holder = &book->holders[rank];

    if (holder->taken == holder->sent) {
        for (int l = 0; l < LIMITS; l++)
            holder->parts[l].granted_before = holder->parts[l].granted;
        grant(book, rank);
    }
    *share = (struct lam_llm_share){
        .limits = {(uint32_t)holder->parts[CONCURRENCY].granted, (uint32_t)holder->parts[REQUESTS].granted, holder->parts[TOKENS].granted},
        .whole = book->limits,
        .number = holder->sent,
    };
    for (size_t r = 0; r < book->size; r++)
        if (book->holders[r].pause_ms > share->pause_ms)
            share->pause_ms = book->holders[r].pause_ms;
    return holder->sent != holder->taken;
}
