/*
 * Records: what arrived, where it stood, and what analysis found in it.
 *
 * All of it is plain data, and all strings are views: they live as long as the block (or the mapped segment) that they
 * came from. A record and its enrichment together are a row.
 */
#ifndef LAMINA_RECORD_H
#define LAMINA_RECORD_H

#include <lamina/sv.h>

/*
 * Where a record stood; given once, never changed, unique.
 *
 * source     number of the source, by its place in the commit log
 * life       one life of the source: of a topic, or a numbered scan of a corpus
 * partition  corpus: the 128-bit digest of the path below the source's root; stream: the partition's number, big-endian,
 *            in the last four bytes. Identity only: nothing is ordered by a path's digest
 * offset     corpus: the byte in the decoded file where the record starts; stream: the broker's offset
 */
struct lam_position {
    uint32_t source, life;
    uint8_t partition[16];
    uint64_t offset;
};

enum lam_op { LAM_OP_UPSERT = 0, LAM_OP_DELETE = 1 };

/* What stands in rec.flags and is kept with the row. */
enum lam_row_flag {
    LAM_ROW_PENDING = 1,     /* live, its analysis is still owed */
    LAM_ROW_NO_TEXT = 2,     /* live, nothing to analyse: answers are null */
    LAM_ROW_NO_ORDER = 4,    /* the order value was missing: sorts lowest */
    LAM_ROW_ESCALATED = 8,   /* answered by the escalation, not by the fast path */
    LAM_ROW_OTHER_ANALYSIS = 16, /* answered by a speed job whose analysis was not the store's */
    LAM_ROW_TITLE_MADE = 32, /* the title is the analyzer's: the document had none */
    LAM_ROW_REJECTED = 64,   /* in staged rows alone: the view's row at this position, which is pending, is to leave it; no model has an answer to it */
    LAM_ROW_UNAVAILABLE = 128 /* its bytes were gone when its view was made anew: it is as an older view had it */
};

struct lam_record {
    struct lam_position pos;
    struct lam_sv key;   /* canonical: text of a string, or the JSON of a scalar as written */
    struct lam_sv order; /* bytes whose memcmp is the total order of versions, position included (model/order.h) */
    uint64_t hash;       /* lam_hash64 of key */
    int64_t event_time_us, arrival_us; /* LAM_TIME_NONE where there is none */
    uint8_t op;          /* enum lam_op */
    uint32_t flags;      /* enum lam_row_flag */
    struct lam_sv media_type, title, text;
    struct lam_sv structure; /* JSON: headings, links, and "readability" where the job asks for it; empty where there is none */
    struct lam_sv metadata;  /* JSON object: the fields as they came; empty where there are none */
};

enum lam_layer { LAM_LAYER_BATCH = 0, LAM_LAYER_SPEED = 1 };
enum lam_depth { LAM_DEPTH_FAST = 0, LAM_DEPTH_DEEP = 1 };

struct lam_enrichment {
    struct lam_sv category;  /* empty: none */
    float confidence;        /* of the category, 0..1 */
    float sentiment;         /* -1..1; NAN: none */
    struct lam_sv entities;  /* JSON array of {"type","text","value","start","end"}, offsets in bytes of the record's text */
    struct lam_sv summary;
    struct lam_sv language;  /* ISO 639-1; empty: not known */
    struct lam_sv keywords;  /* JSON array of strings */
    struct lam_sv custom;    /* JSON object: the answer to the job's own question; empty: none */
    const float *embedding;  /* dim values, unit length; NULL: none */
    uint32_t dim;
    struct lam_sv space;     /* name of the vector space: only vectors of one space can be compared; empty: no embedding */
    /* provenance */
    uint8_t layer, depth;    /* enum lam_layer, enum lam_depth */
    struct lam_sv analyzer;  /* "builtin", "openai", … */
    uint32_t model;          /* number of the model artifact; 0: answered before the first one */
    uint32_t prompt;         /* version of the prompt; 0: none */
    uint32_t tokens;         /* paid for this record */
    struct lam_sv trace;     /* JSON object: how a model's answer came about (docs/llm.md); empty for others */
    int64_t processed_us;
};

struct lam_row {
    struct lam_record rec;
    struct lam_enrichment enr;
};

/* A position that is not live: rejected as bad, or filtered out by a rule. */
enum lam_reject_kind { LAM_QUARANTINED = 0, LAM_FILTERED = 1 };

struct lam_reject {
    struct lam_position pos;
    uint8_t kind;           /* enum lam_reject_kind */
    int64_t arrival_us;
    struct lam_sv place;    /* file, or topic/partition: for whoever reads the reason */
    struct lam_sv reason;   /* one line: what was wrong, where, what to do */
    struct lam_sv raw;      /* the bytes as they came, cut at a limit */
};

#endif
