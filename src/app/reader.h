/*
 * A reading thread's tools: parser, extractor, analyzer, made once and used for one split after the other. Batch and speed both have them.
 */
#ifndef LAMINA_APP_READER_H
#define LAMINA_APP_READER_H

#include "engine.h"
#include "process/refine.h"

/* A refiner wired to the real parsers and the analyzer that the job names for this layer. One thread. */
struct lam_tools;

int lam_tools_new(struct lam_tools **tools, const struct lam_engine *engine, enum lam_layer layer, enum lam_depth depth, struct lam_error *err);
void lam_tools_free(struct lam_tools *tools); /* NULL-safe */
struct lam_refiner *lam_tools_refiner(struct lam_tools *tools);

/* The raw item that a bronze row of a stream is; place is scratch for "topic/partition". The same in every layer. */
#define LAM_PLACE_MAX 320
void lam_raw_of_message(struct lam_raw *raw, const struct lam_extract *settings, const char *topic, char place[LAM_PLACE_MAX]);

#endif
