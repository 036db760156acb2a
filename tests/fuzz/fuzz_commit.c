/*
 * Commits from anywhere: never a crash, never a leak; what is read is written as something that reads the same, and folding it
 * into a state is a commit, a void one, or no memory.
 */
#include <stdlib.h>

#include "store/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct lam_commit *commit)
{
    struct lam_commit again;
    struct lam_buf json, more;

    lam_buf_init(&json, LAM_COMMIT_BYTES);
    lam_buf_init(&more, LAM_COMMIT_BYTES);
    if (lam_commit_write(commit, &json, NULL) || lam_commit_read(lam_buf_sv(&json), &again, NULL) || lam_commit_write(&again, &more, NULL) ||
        !lam_sv_eq(lam_buf_sv(&json), lam_buf_sv(&more)))
        abort();
    lam_commit_release(&again);
    lam_buf_release(&json);
    lam_buf_release(&more);
}

/* A state in which some of what fuzzed commits name is there. */
static struct lam_state *some_state(const struct lam_commit *like)
{
    struct lam_state *state = lam_state_new();
    struct lam_holder holder = {.host = "h", .boot = "b", .job = "j", .run = "r"};
    struct lam_commit commit;

    if (!state)
        abort();
    lam_commit_init(&commit, 0);
    if (lam_commit_term(&commit, 7, &holder, NULL) || lam_state_fold(state, &commit, NULL))
        abort();
    lam_commit_release(&commit);
    lam_commit_init(&commit, 0);
    commit.terms[LAM_TERM_BATCH] = 1;
    lam_commit_source(&commit, "tickets", NULL);
    lam_commit_life(&commit, "tickets", "scan-1", NULL);
    lam_commit_life(&commit, "tickets", "scan-2", NULL);
    for (size_t i = 0; i < like->action_count; i++) { /* removed and masked segments are live, as far as names are good and differ */
        struct lam_segment_entry entry;
        const struct lam_action *action = &like->actions[i];
        const char *path = action->type == LAM_ACTION_REMOVE ? action->remove.path : action->type == LAM_ACTION_MASK ? action->mask.path : NULL;

        if (!path)
            continue;
        lam_segment_entry_init(&entry);
        entry.kind = LAM_SEGMENT_RUN;
        memcpy(entry.path, path, strlen(path) + 1);
        lam_commit_add(&commit, &entry, NULL);
    }
    if (lam_state_fold(state, &commit, NULL))
        abort();
    lam_commit_release(&commit);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lam_error err;
    struct lam_commit commit;
    struct lam_state *state;
    bool admitted;

    if (lam_commit_read(lam_sv((const char *)data, size), &commit, &err)) {
        if (!err.text[0])
            abort();
        return 0;
    }
    check_same(&commit);
    state = some_state(&commit);
    if (commit.actions[0].type != LAM_ACTION_TERM)
        for (int layer = 0; layer < LAM_TERMS; layer++)
            commit.terms[layer] = commit.terms[layer] ? 1 : 0; /* of a term that holds */
    admitted = lam_state_admits(state, &commit, NULL) == 0;
    if (lam_state_fold(state, &commit, &err) || state->last_void == admitted || state->number != 3)
        abort();
    lam_state_unref(state);
    lam_commit_release(&commit);
    return 0;
}
