#include "format.h"

#include <strings.h>

static bool ends_with(struct lam_sv path, const char *suffix)
{
    size_t len = strlen(suffix);

    return path.len > len && !strncasecmp(path.ptr + path.len - len, suffix, len); /* a file named ".gz" has no name left: not one */
}

enum lam_pack lam_pack_of(struct lam_sv path)
{
    if (ends_with(path, ".gz"))
        return LAM_PACK_GZIP;
    return ends_with(path, ".zst") ? LAM_PACK_ZSTD : LAM_PACK_NONE;
}

struct lam_sv lam_path_unpacked(struct lam_sv path)
{
    switch (lam_pack_of(path)) {
    case LAM_PACK_GZIP:
        return lam_sv(path.ptr, path.len - 3);
    case LAM_PACK_ZSTD:
        return lam_sv(path.ptr, path.len - 4);
    default:
        return path;
    }
}

enum lam_format lam_format_of(struct lam_sv path)
{
    struct lam_sv name = lam_path_unpacked(path);

    if (ends_with(name, ".jsonl") || ends_with(name, ".ndjson"))
        return LAM_FORMAT_JSONL;
    return ends_with(name, ".csv") || ends_with(name, ".tsv") ? LAM_FORMAT_CSV : LAM_FORMAT_DOCUMENT;
}

static const char *const names[] = {"auto", "document", "jsonl", "csv", "lines"};

const char *lam_format_name(enum lam_format format) { return (size_t)format < sizeof names / sizeof *names ? names[format] : "unknown"; }

int lam_format_parse(struct lam_sv name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lam_sv_eq(name, lam_sv_of(names[i])))
            return (int)i;
    return -1;
}
