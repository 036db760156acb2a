/*
 * A reading thread's tools: parser, extractor, analyzer, made once and used for one split after the other. Batch and speed both have them.
 */
#ifndef LAMINA_APP_READER_H
#define LAMINA_APP_READER_H

#include "engine.h"
#include "process/refine.h"
#include "trained.h"

/* A refiner wired to the real parsers and the built-in analyzer, which answers by the label descriptions until a model is given. One thread. */
struct lam_tools;

int lam_tools_new(struct lam_tools **tools, struct lam_engine *engine, enum lam_layer layer, enum lam_depth depth, struct lam_error *err);
void lam_tools_free(struct lam_tools *tools); /* NULL-safe */
struct lam_refiner *lam_tools_refiner(struct lam_tools *tools);

/* Answers from now on come from this model (NULL: from the descriptions). Cheap where it is the one in use. */
int lam_tools_use(struct lam_tools *tools, struct lam_trained *trained, struct lam_error *err);

/*
 * Answers from now on come from the newest model that the log has for this job. Cheap where nothing is new. A model that cannot be loaded is told to
 * the log, and the one before stays.
 */
int lam_tools_follow(struct lam_tools *tools, struct lam_error *err);

/* The raw item that a bronze row of a stream is; place is scratch for "topic/partition". The same in every layer. */
#define LAM_PLACE_MAX 320
void lam_raw_of_message(struct lam_raw *raw, const struct lam_extract *settings, const char *topic, char place[LAM_PLACE_MAX]);

#endif
