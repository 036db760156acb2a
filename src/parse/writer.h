/*
 * What the parsers of markup write to: text in which blanks are collapsed and blocks stand apart, and on the way the headings and
 * links with their offsets in it. Errors stick: the first one is kept, the calls after it do nothing.
 */
#ifndef LAMINA_PARSE_WRITER_H
#define LAMINA_PARSE_WRITER_H

#include "base/buf.h"

struct lam_writer {
    struct lam_buf text, title, headings, links, structure;
    size_t heading_count, link_count, max_structure;
    size_t heading_at, link_at; /* where the open one starts */
    size_t floor;               /* the largest offset in the structure: text is not cut below it */
    int heading_level;          /* 0: none is open */
    bool link_open, space;
    int newlines;               /* wanted before the next character */
    int title_rank;             /* of the title so far: a smaller one replaces it; 0: none */
    int rc;
    struct lam_error err;
};

void lam_writer_init(struct lam_writer *writer, size_t max_text, size_t max_structure);
void lam_writer_release(struct lam_writer *writer);
void lam_writer_clear(struct lam_writer *writer);

void lam_writer_text(struct lam_writer *writer, struct lam_sv text); /* blanks are collapsed */
void lam_writer_pre(struct lam_writer *writer, struct lam_sv text);  /* as it stands */
void lam_writer_break(struct lam_writer *writer, int newlines);      /* at least so many before what follows: 1 a line, 2 a block */

/* Headings and links do not nest: a begin within an open one is ignored, and answers false. */
bool lam_writer_heading(struct lam_writer *writer, int level);
void lam_writer_heading_end(struct lam_writer *writer);
bool lam_writer_link(struct lam_writer *writer);
void lam_writer_link_end(struct lam_writer *writer, struct lam_sv href);

/* A title of rank 1 (the document's own) stands before one of rank 2 and more; of equal ones the first. Blanks are collapsed. */
void lam_writer_title(struct lam_writer *writer, int rank, struct lam_sv title);

/* Ends the text without blanks at its end, and makes the structure. The writer's error, or 0. */
int lam_writer_finish(struct lam_writer *writer, struct lam_error *err);

#endif
