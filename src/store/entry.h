/*
 * Entries: one segment as the commit log describes it. Readers open a segment from its entry alone: name, sizes, and where in the
 * file each dataset lies.
 *
 * An entry is plain data with two owned parts (offsets, splits). Whoever writes a segment fills one on the stack; a commit takes a copy
 * on the heap, which from then on is immutable and shared by reference count between commits, states and snapshots, on any thread.
 *
 *     struct lam_segment_entry entry;
 *     lam_segment_entry_init(&entry);
 *     …fill…                                  path, kind, layout, rows, bytes, datasets by lam_segment_finish; the rest by who knows it
 *     lam_commit_add(commit, &entry, err);    copies
 *     lam_segment_entry_release(&entry);
 */
#ifndef LAMINA_STORE_ENTRY_H
#define LAMINA_STORE_ENTRY_H

#include <lamina/error.h>
#include <lamina/sv.h>

#include "base/buf.h"
#include "base/clock.h"

#define LAM_SEGMENT_PATH 256                      /* bytes of a path below the store's root, with its NUL */
#define LAM_ENTRY_DATASETS 64                     /* of one segment */
#define LAM_ENTRY_OFFSETS 65536                   /* partitions of one segment */
#define LAM_ENTRY_SPLITS ((size_t)16 << 20)       /* bytes of splits */
#define LAM_RUN_ID 33                             /* bytes of a run's id with its NUL: 32 hex digits */
#define LAM_RANGE_BITS_MAX 32

/* Numbers stand in checkpoints; a new kind gets a new number. */
enum lam_segment_kind {
    LAM_SEGMENT_BRONZE_STREAM = 1, /* raw bytes that the speed layer archived */
    LAM_SEGMENT_BRONZE_CORPUS = 2, /* raw bytes copied from a corpus */
    LAM_SEGMENT_MANIFEST = 3,      /* the files of a corpus source as its last complete scan saw them */
    LAM_SEGMENT_SPEED = 4,         /* rows that the speed layer answered, newer than the view */
    LAM_SEGMENT_SILVER = 5,        /* rows of the view, append */
    LAM_SEGMENT_RUN = 6,           /* rows of the view, upsert: one range, sorted */
    LAM_SEGMENT_MASK = 7,          /* the overridden rows of another segment */
    LAM_SEGMENT_QUARANTINE = 8,    /* quarantined and filtered positions */
    LAM_SEGMENT_MODEL = 9,         /* a model artifact's file */
    LAM_SEGMENT_KINDS
};

struct lam_dataset_entry {
    uint64_t offset, len; /* bytes, in the file */
    uint32_t crc32c;
};

/* What a stream segment covers of one partition: [begin, end). */
struct lam_offset_range {
    uint32_t partition;
    uint64_t begin, end;
};

struct lam_segment_entry {
    char path[LAM_SEGMENT_PATH]; /* below the store's root: relative, no "..", printable */
    uint8_t kind;                /* enum lam_segment_kind */
    uint32_t layout;             /* layout.h */
    uint64_t rows, bytes;        /* bytes: the size of the file */
    uint64_t min_hash, max_hash; /* of keys; min > max: none */
    int64_t min_time_us, max_time_us; /* event time; both LAM_TIME_NONE: none */
    uint32_t source, life;       /* 0: of several, or none */
    uint32_t range_bits, range;  /* RUN: the first range_bits bits of each hash are range */
    uint64_t view;               /* the view that added it; 0: none */
    uint32_t dim;                /* of embeddings; 0: none */
    char run[LAM_RUN_ID];        /* id of the run that wrote it; "": none */
    char masked[LAM_SEGMENT_PATH]; /* MASK: path of the segment whose rows it masks; "" for all others */
    uint32_t dataset_count;
    struct lam_dataset_entry datasets[LAM_ENTRY_DATASETS]; /* in the order of the layout */
    struct lam_offset_range *offsets; /* owned; sorted by partition, each once */
    uint32_t offset_count;
    char *splits;                /* owned; what it covers, as its writer notes it (UTF-8, JSON by convention); NULL: nothing */
    uint32_t refs;               /* used by _new, _ref and _unref alone */
};

/* An empty entry: no ranges, no times, nothing owned. */
void lam_segment_entry_init(struct lam_segment_entry *entry);

/* Frees what it owns and leaves it empty. Not for entries on the heap: those have _unref. */
void lam_segment_entry_release(struct lam_segment_entry *entry);

/* Widens the ranges of hash and event time by one row. */
void lam_segment_entry_see(struct lam_segment_entry *entry, uint64_t hash, int64_t event_time_us);

/* Adds [begin, end) of a partition, kept sorted; a partition that is there is widened. LAM_E_LIMIT, LAM_E_MEMORY. */
int lam_segment_entry_add_offsets(struct lam_segment_entry *entry, uint32_t partition, uint64_t begin, uint64_t end, struct lam_error *err);

/* Takes a copy of text as splits; NULL clears it. LAM_E_INVALID: not UTF-8, or with a NUL. */
int lam_segment_entry_set_splits(struct lam_segment_entry *entry, struct lam_sv text, struct lam_error *err);

/* Does it hold together: path, kind, ranges, limits? LAM_E_INVALID names the field. What a commit checks of every entry, written or read. */
int lam_segment_entry_check(const struct lam_segment_entry *entry, struct lam_error *err);

/* A checked deep copy on the heap with one reference. */
int lam_segment_entry_new(const struct lam_segment_entry *entry, struct lam_segment_entry **copy, struct lam_error *err);

/* The same entry with one reference more; any thread. */
struct lam_segment_entry *lam_segment_entry_ref(const struct lam_segment_entry *entry);
void lam_segment_entry_unref(const struct lam_segment_entry *entry); /* NULL-safe; any thread */

/* Adds entry as one JSON object. What has its empty value is left out. */
int lam_segment_entry_write(const struct lam_segment_entry *entry, struct lam_buf *json, struct lam_error *err);

/* Reads one such object (staged lists use the same form). json is hostile: LAM_E_CORRUPT, LAM_E_LIMIT. Release with _release. */
int lam_segment_entry_read(struct lam_sv json, struct lam_segment_entry *entry, struct lam_error *err);

/* A kind's name, as in JSON: "bronze_stream", "run", …; NULL for no kind. */
const char *lam_segment_kind_name(int kind);

/* Is text a path that an entry may have? */
bool lam_segment_path_valid(const char *text);

#endif
