/*
 * What host and claimer say to each other; both ends are one program on one kind of machine, as MPI requires. Bytes
 * follow: payload, note, text.
 */
#ifndef LAMINA_COMM_CLAIM_WIRE_H
#define LAMINA_COMM_CLAIM_WIRE_H

#include <stdint.h>

enum claim_request_kind { REQUEST_ASK, REQUEST_OFFER, REQUEST_FAIL, REQUEST_GIVE_BACK };

struct claim_request {
    uint64_t split;
    uint32_t kind, attempt, piece;
    uint32_t last;  /* of an offer */
    uint32_t count; /* of claims asked for */
    int32_t code;   /* of a failure */
};

enum claim_answer_kind { ANSWER_CLAIM, ANSWER_VERDICT, ANSWER_END };

struct claim_answer {
    uint64_t split, size;
    uint32_t kind, attempt, piece;
    uint32_t accepted; /* of a verdict */
};

#endif
