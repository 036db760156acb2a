/*
 * What a file is made of, judged by its name alone, so that the lister needs not open it.
 *
 *     pack    how its bytes are wrapped: not at all, .gz (any number of members), .zst (any number of frames)
 *     format  how its decoded bytes fall into records
 *
 * The name under the pack decides the format: "a.jsonl.gz" is JSON lines. Everything unknown is one document, and the
 * parsers decide by name and magic bytes what kind.
 */
#ifndef LAMINA_SOURCE_FORMAT_H
#define LAMINA_SOURCE_FORMAT_H

#include <lamina/sv.h>

enum lam_format {
    LAM_FORMAT_AUTO = 0,     /* only in options: by name */
    LAM_FORMAT_DOCUMENT = 1, /* the whole file is one record at offset 0 */
    LAM_FORMAT_JSONL = 2,    /* .jsonl .ndjson: each line that is not blank */
    LAM_FORMAT_CSV = 3,      /* .csv .tsv: each row, as a JSON object of strings */
    LAM_FORMAT_LINES = 4     /* each line that is not empty, as text; never guessed, asked for */
};

enum lam_pack { LAM_PACK_NONE = 0, LAM_PACK_GZIP = 1, LAM_PACK_ZSTD = 2 };

enum lam_pack lam_pack_of(struct lam_sv path);
enum lam_format lam_format_of(struct lam_sv path);

/* path without the suffix of its pack: "a/b.md.gz" is "a/b.md". */
struct lam_sv lam_path_unpacked(struct lam_sv path);

/* "document", "jsonl", … as in a job file; and back (LAM_FORMAT_AUTO for "auto"), -1 where the name is not known. */
const char *lam_format_name(enum lam_format format);
int lam_format_parse(struct lam_sv name);

/* Only these may be cut into byte ranges, and only these can grow. */
static inline bool lam_format_has_lines(enum lam_format format)
{
    return format == LAM_FORMAT_JSONL || format == LAM_FORMAT_CSV || format == LAM_FORMAT_LINES;
}

#endif
