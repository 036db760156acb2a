/*
 * A list:     {"format":1,"run":"…","segments":[entry, …],"pieces":[piece, …]}
 * `adopted`:  {"format":1,"identity":"…","analysis":"…","from":"…","lists":["runs/…/staged-….json", …]}
 */
#include "map.h"
#include "stage.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX ((size_t)256 << 20) /* bytes of one list or `adopted` */
#define FORMAT 1

int lam_stage_list(const struct lam_fs *fs, const char *root, const char *run, int rank, unsigned number, const struct lam_segment_entry *segments,
                   size_t segment_count, const struct lam_sv *pieces, size_t piece_count, struct lam_error *err)
{
    char path[LAM_PATH_MAX];
    struct lam_buf json;
    int rc;

    if (snprintf(path, sizeof path, "%s/runs/%s/staged-%d-%u.json", root, run, rank, number) >= (int)sizeof path)
        return LAM_FAIL(err, LAM_E_LIMIT, "the store's path is too long");
    lam_buf_init(&json, LIST_MAX);
    rc = lam_buf_addf(&json, err, "{\"format\":%d,\"run\":\"%s\",\"segments\":[", FORMAT, run);
    for (size_t i = 0; !rc && i < segment_count; i++)
        if (!(rc = i ? lam_buf_add(&json, ",\n", 2, err) : 0))
            rc = lam_segment_entry_write(&segments[i], &json, err);
    if (!rc)
        rc = lam_buf_addf(&json, err, "],\"pieces\":[");
    for (size_t i = 0; !rc && i < piece_count; i++)
        if (!(rc = i ? lam_buf_add(&json, ",\n", 2, err) : 0))
            rc = lam_buf_add_sv(&json, pieces[i], err);
    if (!rc && !(rc = lam_buf_addf(&json, err, "]}\n")))
        rc = lam_fs_replace(fs, path, lam_buf_sv(&json), err);
    lam_buf_release(&json);
    return rc ? LAM_PASS(err, rc, "stage a group") : 0;
}

static void staged_release(struct lam_staged *group)
{
    for (size_t i = 0; i < group->segment_count; i++)
        lam_segment_entry_release(&group->segments[i]);
    for (size_t i = 0; i < group->piece_count; i++)
        lam_piece_release(&group->pieces[i]);
    free(group->segments);
    free(group->pieces);
}

void lam_staged_list_release(struct lam_staged_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        staged_release(&list->groups[i]);
    free(list->groups);
    *list = (struct lam_staged_list){0};
}

/* json is the array of one kind; each element goes through its own reader, which trusts nothing. */
static int read_array(const json_t *array, size_t max, int (*read)(struct lam_sv json, void *item, struct lam_error *err), char *items, size_t size, size_t *count,
                      struct lam_error *err)
{
    for (*count = 0; *count < max; ++*count) {
        const json_t *item = json_array_get(array, *count);
        char *text;
        int rc;

        if (!json_is_object(item))
            return LAM_FAIL(err, LAM_E_CORRUPT, "an item of a list is no object");
        text = json_dumps(item, JSON_COMPACT);
        rc = text ? read(lam_sv_of(text), items + *count * size, err) : LAM_FAIL(err, LAM_E_MEMORY, "no memory for a list");
        free(text);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_segment(struct lam_sv json, void *item, struct lam_error *err) { return lam_segment_entry_read(json, item, err); }
static int read_piece(struct lam_sv json, void *item, struct lam_error *err) { return lam_piece_read(json, item, err); }

static int load(const struct lam_fs *fs, const char *root, const char *path, json_t **object, struct lam_error *err)
{
    char full[LAM_PATH_MAX];
    struct lam_buf bytes;
    json_error_t why;
    int rc = lam_path_join(full, root, path, err);

    *object = NULL;
    if (rc)
        return rc;
    lam_buf_init(&bytes, LIST_MAX);
    if (!(rc = lam_fs_read_all(fs, full, &bytes, err))) {
        *object = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, &why);
        if (!json_is_object(*object) || json_integer_value(json_object_get(*object, "format")) != FORMAT) {
            rc = LAM_FAIL(err, LAM_E_CORRUPT, "%s: not a file of format %d (%.80s)", path, FORMAT, *object ? "object" : why.text);
            json_decref(*object);
            *object = NULL;
        }
    }
    lam_buf_release(&bytes);
    return rc;
}

static int read_group(const struct lam_fs *fs, const char *root, const char *path, struct lam_staged *group, struct lam_error *err)
{
    const json_t *segments, *pieces;
    json_t *object;
    int rc = load(fs, root, path, &object, err);

    *group = (struct lam_staged){0};
    if (rc)
        return rc;
    if (!lam_segment_path_valid(path)) {
        json_decref(object);
        return LAM_FAIL(err, LAM_E_CORRUPT, "'%.80s' is no path of a list", path);
    }
    snprintf(group->path, sizeof group->path, "%s", path);
    segments = json_object_get(object, "segments");
    pieces = json_object_get(object, "pieces");
    group->segments = calloc(json_array_size(segments) + 1, sizeof *group->segments);
    group->pieces = calloc(json_array_size(pieces) + 1, sizeof *group->pieces);
    if (!group->segments || !group->pieces)
        rc = LAM_FAIL(err, LAM_E_MEMORY, "no memory for a list");
    if (!rc)
        rc = read_array(segments, json_array_size(segments), read_segment, (char *)group->segments, sizeof *group->segments, &group->segment_count, err);
    if (!rc)
        rc = read_array(pieces, json_array_size(pieces), read_piece, (char *)group->pieces, sizeof *group->pieces, &group->piece_count, err);
    json_decref(object);
    if (rc)
        staged_release(group);
    return rc ? LAM_PASS(err, rc, "%s", path) : 0;
}

/* Moves the group to the list. */
static int append(void *arg, struct lam_staged *group, struct lam_error *err)
{
    struct lam_staged_list *list = arg;
    struct lam_staged *grown = realloc(list->groups, (list->count + 1) * sizeof *grown);

    if (!grown)
        return LAM_FAIL(err, LAM_E_MEMORY, "no memory for a list");
    list->groups = grown;
    list->groups[list->count++] = *group;
    *group = (struct lam_staged){0};
    return 0;
}

int lam_stage_read(const struct lam_fs *fs, const char *root, const char *path, struct lam_staged_list *list, struct lam_error *err)
{
    struct lam_staged group;
    int rc = read_group(fs, root, path, &group, err);

    if (rc)
        return rc;
    rc = append(list, &group, err);
    staged_release(&group);
    return rc;
}

int lam_stage_each(const struct lam_fs *fs, const char *root, const char *run, int (*each)(void *arg, struct lam_staged *group, struct lam_error *err), void *arg,
                   struct lam_error *err)
{
    char folder[LAM_PATH_MAX], path[LAM_PATH_MAX];
    struct lam_names names;
    int rc;

    if (snprintf(folder, sizeof folder, "%s/runs/%s", root, run) >= (int)sizeof folder)
        return LAM_FAIL(err, LAM_E_LIMIT, "the store's path is too long");
    if ((rc = lam_fs_list(fs, folder, &names, err)))
        return rc == LAM_E_NOT_FOUND ? 0 : rc;
    for (size_t i = 0; !rc && i < names.count; i++) {
        size_t len = strlen(names.names[i]);
        struct lam_staged group;

        if (strncmp(names.names[i], "staged-", 7) || len < 5 || strcmp(names.names[i] + len - 5, ".json"))
            continue;
        snprintf(path, sizeof path, "runs/%s/%s", run, names.names[i]);
        if ((rc = read_group(fs, root, path, &group, err)))
            break;
        rc = each(arg, &group, err);
        staged_release(&group);
    }
    lam_names_release(&names);
    return rc;
}

int lam_stage_read_run(const struct lam_fs *fs, const char *root, const char *run, struct lam_staged_list *list, struct lam_error *err)
{
    return lam_stage_each(fs, root, run, append, list, err);
}

/* --- adoption --- */

static bool digest_is(const json_t *object, const char *name, struct lam_digest want)
{
    struct lam_digest digest;

    return lam_digest_parse(lam_sv_of(json_string_value(json_object_get(object, name))), &digest) && lam_digest_eq(digest, want);
}

/* The run that took the batch layer's term in commit number; "" where that commit takes none, or is gone. */
static int run_of_commit(struct lam_commitlog *log, uint64_t number, char run[LAM_RUN_ID], bool *gone, struct lam_error *err)
{
    const struct lam_fs *fs = lam_commitlog_options(log)->fs;
    char path[LAM_PATH_MAX], full[LAM_PATH_MAX];
    struct lam_commit commit;
    struct lam_buf bytes;
    int rc;

    run[0] = '\0';
    lam_commitlog_path(path, number, ".json");
    if ((rc = lam_path_join(full, lam_commitlog_root(log), path, err)))
        return rc;
    lam_buf_init(&bytes, LAM_COMMIT_BYTES);
    rc = lam_fs_read_all(fs ? fs : &lam_fs_system, full, &bytes, err);
    if (!rc && !(rc = lam_commit_read(lam_buf_sv(&bytes), &commit, err))) {
        for (size_t i = 0; i < commit.action_count; i++)
            if (commit.actions[i].type == LAM_ACTION_TERM && commit.actions[i].term.layers & 1u << LAM_TERM_BATCH)
                snprintf(run, LAM_RUN_ID, "%s", commit.actions[i].term.holder->run);
        lam_commit_release(&commit);
    }
    lam_buf_release(&bytes);
    *gone = rc == LAM_E_NOT_FOUND;
    return *gone ? 0 : rc;
}

/* The newest run before ours that has an `adopted`: *object is what stands in it; NULL: there is none. */
static int find_predecessor(struct lam_commitlog *log, const struct lam_adoption *adoption, char run[LAM_RUN_ID], json_t **object, struct lam_error *err)
{
    const struct lam_fs *fs = lam_commitlog_options(log)->fs;
    const char *published = adoption->state->view.run;

    *object = NULL;
    for (uint64_t number = adoption->term - 1; number > 0; number--) {
        char path[LAM_PATH_MAX];
        bool gone;
        int rc = run_of_commit(log, number, run, &gone, err);

        if (rc)
            return rc;
        if (gone || number == adoption->state->view.commit) /* older work is in the view, or too old to be known of */
            break;
        if (!run[0])
            continue;
        if (!strcmp(run, published))
            break;
        snprintf(path, sizeof path, "runs/%s/adopted", run);
        rc = load(fs ? fs : &lam_fs_system, lam_commitlog_root(log), path, object, err);
        if (rc != LAM_E_NOT_FOUND)
            return rc;
    }
    run[0] = '\0';
    return 0;
}

static int write_adopted(struct lam_commitlog *log, const struct lam_adoption *adoption, const char *from, const struct lam_staged_list *list, struct lam_error *err)
{
    const struct lam_fs *fs = lam_commitlog_options(log)->fs;
    char path[LAM_PATH_MAX], identity[LAM_DIGEST_HEX], analysis[LAM_DIGEST_HEX];
    struct lam_buf json;
    int rc;

    if (snprintf(path, sizeof path, "%s/runs/%s/adopted", lam_commitlog_root(log), adoption->run) >= (int)sizeof path)
        return LAM_FAIL(err, LAM_E_LIMIT, "the store's path is too long");
    lam_digest_hex(adoption->identity, identity);
    lam_digest_hex(adoption->analysis, analysis);
    lam_buf_init(&json, LIST_MAX);
    rc = lam_buf_addf(&json, err, "{\"format\":%d,\"identity\":\"%s\",\"analysis\":\"%s\",\"from\":\"%s\",\"lists\":[", FORMAT, identity, analysis, from);
    for (size_t i = 0; !rc && i < list->count; i++)
        rc = lam_buf_addf(&json, err, "%s\"%s\"", i ? ",\n" : "", list->groups[i].path);
    if (!rc && !(rc = lam_buf_addf(&json, err, "]}\n")))
        rc = lam_fs_replace(fs ? fs : &lam_fs_system, path, lam_buf_sv(&json), err);
    lam_buf_release(&json);
    return rc;
}

static int check_group(const struct lam_fs *fs, const char *root, const struct lam_staged *group, struct lam_error *err)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < group->segment_count; i++) {
        struct lam_map *map;

        if ((rc = lam_map_open(fs, root, &group->segments[i], &map, err)))
            break;
        rc = lam_map_need(map, LAM_COLUMNS_ALL, err);
        lam_map_unref(map);
    }
    return rc;
}

/*
 * Drops groups with a damaged or missing segment: their work is done again. Here, before `adopted` is written, for what stands in it is what every
 * later run will use too. Costs one reading of what was staged, which the run does anyway.
 */
static int drop_damaged(struct lam_commitlog *log, const struct lam_fs *fs, struct lam_staged_list *list, struct lam_error *err)
{
    const struct lam_log *lines = lam_commitlog_options(log)->log;
    size_t kept = 0, at = 0;
    int rc = 0;

    for (; at < list->count; at++) {
        rc = check_group(fs, lam_commitlog_root(log), &list->groups[at], err);
        if (rc && rc != LAM_E_CORRUPT && rc != LAM_E_NOT_FOUND)
            break;
        if (rc) {
            if (lines)
                lam_log_warn(lines, "batch", "%s is not taken over, its work is done again: %s", list->groups[at].path, err->text);
            staged_release(&list->groups[at]);
            rc = 0;
        } else {
            list->groups[kept++] = list->groups[at];
        }
    }
    for (; at < list->count; at++) /* after an error: still the list's */
        list->groups[kept++] = list->groups[at];
    list->count = kept;
    return rc;
}

/* Before `adopted` is written, as above: what is read again must not stand in it beside what was read before. */
static void drop_pending(struct lam_staged_list *list)
{
    size_t kept = 0;

    for (size_t at = 0; at < list->count; at++) {
        uint64_t pending = 0;

        for (size_t p = 0; p < list->groups[at].piece_count; p++)
            pending += list->groups[at].pieces[p].pending;
        if (pending)
            staged_release(&list->groups[at]);
        else
            list->groups[kept++] = list->groups[at];
    }
    list->count = kept;
}

int lam_stage_adopt(struct lam_commitlog *log, const struct lam_adoption *adoption, struct lam_staged_list *list, char from[LAM_RUN_ID], struct lam_error *err)
{
    const struct lam_fs *fs = lam_commitlog_options(log)->fs ? lam_commitlog_options(log)->fs : &lam_fs_system;
    const char *root = lam_commitlog_root(log);
    json_t *object;
    int rc = find_predecessor(log, adoption, from, &object, err);

    if (rc && rc != LAM_E_CORRUPT) /* a damaged `adopted` says nothing: nothing is used, and later runs find this run's */
        return rc;
    rc = 0;
    if (object && digest_is(object, "identity", adoption->identity) && digest_is(object, "analysis", adoption->analysis)) {
        const json_t *lists = json_object_get(object, "lists");

        for (size_t i = 0; !rc && i < json_array_size(lists); i++) {
            const char *path = json_string_value(json_array_get(lists, i));

            rc = path ? lam_stage_read(fs, root, path, list, err) : LAM_FAIL(err, LAM_E_CORRUPT, "runs/%s/adopted: a list without a path", from);
        }
        if (!rc)
            rc = lam_stage_read_run(fs, root, from, list, err);
        if (!rc && adoption->answered)
            drop_pending(list);
        if (rc == LAM_E_CORRUPT || rc == LAM_E_NOT_FOUND) { /* damaged: nothing of it is used, the work is done again */
            lam_staged_list_release(list);
            from[0] = '\0';
            rc = 0;
        } else if (!rc) {
            rc = drop_damaged(log, fs, list, err);
        }
    } else {
        from[0] = '\0';
    }
    json_decref(object);
    return rc ? rc : write_adopted(log, adoption, from, list, err);
}
