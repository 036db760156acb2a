/*
 * Globs over paths, a name at a time: "**" takes any number of names, anything else one, by fnmatch. No wildcard takes a
 * leading dot.
 */
#include "scan.h"

#include <fnmatch.h>
#include <limits.h>

static bool is_wild(struct lam_sv name)
{
    for (size_t i = 0; i < name.len; i++)
        if (strchr("*?[", name.ptr[i]))
            return true;
    return false;
}

/* Takes the first name off a path. */
static struct lam_sv next_name(struct lam_sv *path)
{
    const char *slash = path->len ? memchr(path->ptr, '/', path->len) : NULL;
    struct lam_sv name = lam_sv(path->ptr, slash ? (size_t)(slash - path->ptr) : path->len);

    *path = slash ? lam_sv(slash + 1, path->len - name.len - 1) : lam_sv(path->ptr + path->len, 0);
    return name;
}

static bool name_matches(struct lam_sv pattern, struct lam_sv name)
{
    char p[NAME_MAX + 1], n[NAME_MAX + 1];

    if (!is_wild(pattern))
        return lam_sv_eq(pattern, name);
    if (pattern.len >= sizeof p || name.len >= sizeof n)
        return false;
    memcpy(p, pattern.ptr, pattern.len);
    p[pattern.len] = '\0';
    memcpy(n, name.ptr, name.len);
    n[name.len] = '\0';
    return fnmatch(p, n, FNM_PERIOD | FNM_NOESCAPE) == 0;
}

void lam_glob_split(const char *path, struct lam_sv *root, struct lam_sv *pattern)
{
    struct lam_sv rest = lam_sv_of(path);

    *pattern = lam_sv(path + rest.len, 0);
    *root = rest;
    while (rest.len > 0) {
        const char *at = rest.ptr;

        if (!is_wild(next_name(&rest)))
            continue;
        *root = lam_sv(path, (size_t)(at - path));
        *pattern = lam_sv_of(at);
        break;
    }
    while (root->len > 1 && root->ptr[root->len - 1] == '/')
        root->len--;
    if (root->len == 0)
        *root = LAM_SV(".");
}

/*
 * Goes through both, name by name. below asks whether path, a folder, could hold a match: then a path that ends while pattern
 * has names left will do.
 */
static bool matches(struct lam_sv pattern, struct lam_sv path, bool below)
{
    while (pattern.len > 0) {
        struct lam_sv want = next_name(&pattern), name;

        if (lam_sv_eq(want, LAM_SV("**"))) {
            while (pattern.len >= 3 && !memcmp(pattern.ptr, "**/", 3))
                next_name(&pattern);
            if (below && path.len == 0)
                return true;
            for (;;) { /* "**" has taken the names so far: does the rest fit here? */
                if (pattern.len > 0 && matches(pattern, path, below))
                    return true;
                if (path.len == 0)
                    return below;
                name = next_name(&path);
                if (name.len > 0 && name.ptr[0] == '.')
                    return false;
                if (pattern.len == 0 && path.len == 0)
                    return true;
            }
        }
        if (path.len == 0)
            return below;
        name = next_name(&path);
        if (!name_matches(want, name))
            return false;
    }
    return path.len == 0 && !below;
}

bool lam_glob_match(struct lam_sv pattern, struct lam_sv path)
{
    return path.len > 0 && matches(pattern.len ? pattern : LAM_SV("**"), path, false);
}

bool lam_glob_match_below(struct lam_sv pattern, struct lam_sv folder)
{
    return matches(pattern.len ? pattern : LAM_SV("**"), folder, true);
}
