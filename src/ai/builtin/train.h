/*
 * Training of the built-in analyzer from a sample of the corpus: all sections of the model artifact (model.h).
 *
 * The classifier comes from the label descriptions and the sample; labelled examples are used where there are some, none is needed.
 * The descriptions are the first teacher: tf-idf of the words that stand for a label. Then rounds of self-training: a softmax over
 * hashed words and pairs of words, balanced over the classes, learns from the most confident part of what the last round answered
 * (30 % in the first, 90 % in the last), and its answer, mixed with that of the descriptions, teaches the next.
 * (Scudder 1965; Yarowsky 1995; for text from keywords: McCallum and Nigam 1999.)
 *
 * The model is a function of the documents in their order, of the tasks, and of nothing else: one thread, fixed order of every sum,
 * own exp and log, fixed seeds.
 */
#ifndef LAMINA_AI_BUILTIN_TRAIN_H
#define LAMINA_AI_BUILTIN_TRAIN_H

#include "model.h"

struct lam_builtin_doc {
    struct lam_sv title, text;
    int32_t label; /* index into the tasks' labels where it is known; -1: not */
};

struct lam_builtin_training {
    uint32_t max_features;  /* of the model; 0: 65,536. Fewer are taken where they times the labels would exceed 64 MiB */
    size_t
        max_entries; /* features of all documents together that are held at once (12 bytes each); 0: 16 Mi. Documents beyond are left out */
    bool (*stop)(void *arg); /* asked now and then: true ends with LAM_E_CANCELLED; NULL: never */
    void *arg;
};

struct lam_builtin_training_report {
    uint32_t documents;      /* used */
    uint32_t rounds;
    uint32_t features;
    float temperature;
    uint32_t died_out;       /* labels that the descriptions found and the trained model gives to nobody */
    uint32_t unseen;         /* labels that not even the descriptions found; which ones: model.h */
    uint32_t words, sided;   /* of the corpus; those among them that take a side */
    uint32_t names;          /* of people, organisations and places */
};

/*
 * Trains. docs are in the order the caller fixed (by hash of the key). Without labels in tasks the model has no classifier. options
 * may be NULL, report too. LAM_E_INVALID: a label set that is none, or a document's label out of range. LAM_E_NOT_FOUND: there are
 * labels, no document matched any description, and none has a label; or there are none, and no document has a word: there is nothing
 * to learn from; go on without a model. Rank-local; takes seconds; any thread.
 */
int lam_builtin_train(const struct lam_tasks *tasks, const struct lam_builtin_doc *docs, size_t count,
                      const struct lam_builtin_training *options, struct lam_builtin_model **model,
                      struct lam_builtin_training_report *report, struct lam_error *err);

#endif
