/* What the replayer makes of a file's bytes: lines, their keys and times, cursors. Inside source only. */
#ifndef LAMINA_SOURCE_REPLAY_LINE_H
#define LAMINA_SOURCE_REPLAY_LINE_H

#include <stdio.h>

#include "model/json.h"
#include "replay.h"

#define LAM_REPLAY_KEY_MAX 65536

struct lam_replay_line {
    bool has_key, deleted;
    struct lam_sv key, value;
    int64_t time_us; /* LAM_TIME_NONE */
};

/* Views point into text, json and key. A line that is no JSON has no key, no time and its bytes as value. */
int lam_replay_line_read(const struct lam_replay_options *options, struct lam_json *json, struct lam_buf *key,
                         struct lam_sv text, struct lam_replay_line *line, struct lam_error *err);

/* Without line end and blanks at both ends. */
struct lam_sv lam_replay_line_trim(struct lam_sv text);

/* Lines that are not empty. */
int lam_replay_count(const char *path, uint64_t *total, struct lam_error *err);

/* LAM_E_INVALID: not a cursor, or one of another number of partitions. */
int lam_replay_cursor_read(struct lam_sv text, uint32_t partitions, uint64_t *lines, uint64_t *line, uint64_t *byte, struct lam_error *err);

/* To the byte where a line begins: LAM_E_INVALID where none does, because the file is another one now. */
int lam_replay_seek(FILE *file, const char *path, uint64_t byte, struct lam_error *err);

#endif
