/*
 * The decoded bytes of a file, in order, in bounded memory; and on the way the digests of the raw blocks that it was asked for.
 *
 * A plain file is read from any byte on, a packed one from its first: gzip of any number of members (zeros may follow the
 * last one, as tar pads), zstd of any number of frames. Bytes at or beyond `size` are never read, even if the file has grown:
 * what comes is a function of the file as it was listed.
 */
#ifndef LAMINA_SOURCE_DECODE_H
#define LAMINA_SOURCE_DECODE_H

#include <lamina/error.h>

#include "digest.h"
#include "format.h"

struct lam_decoder;

struct lam_decoder_options {
    enum lam_pack pack;
    const char *name;      /* for messages; borrowed */
    uint64_t size;         /* raw bytes of the file */
    uint64_t begin;        /* first raw byte; of a packed file 0 */
    uint64_t digest_begin; /* raw blocks that start in [digest_begin, digest_end) are digested, */
    uint64_t digest_end;   /* and begin is not beyond the first of them */
    uint64_t max_decoded;  /* of a packed file */
    uint32_t max_ratio;    /* decoded to raw, beyond the first 64 MiB */
};

/* fd is borrowed; only pread is used on it. LAM_E_MEMORY. */
int lam_decoder_open(struct lam_decoder **decoder, int fd, const struct lam_decoder_options *options, struct lam_error *err);

/*
 * Puts the next 1 to room bytes at to. LAM_END; LAM_E_CORRUPT (damaged or cut short: what came before stands, the text has the raw
 * byte), LAM_E_LIMIT (unpacks beyond the limits), LAM_E_CONFLICT (the file is shorter than size), LAM_E_IO, LAM_E_MEMORY.
 */
int lam_decoder_read(struct lam_decoder *decoder, char *to, size_t room, size_t *len, struct lam_error *err);

/* Of a plain file: reads on to this byte, for the digests alone, so that the next read begins there. */
int lam_decoder_skip_to(struct lam_decoder *decoder, uint64_t offset, struct lam_error *err);

/* Reads on, undecoded, to the end of what is to be digested, after END or an error of the bytes. Then the digests are whole. */
int lam_decoder_drain(struct lam_decoder *decoder, struct lam_error *err);

uint64_t lam_decoder_raw(const struct lam_decoder *decoder);     /* raw bytes read so far */
uint64_t lam_decoder_used(const struct lam_decoder *decoder);    /* of these, decoded */
uint64_t lam_decoder_decoded(const struct lam_decoder *decoder); /* decoded bytes given so far */
const struct lam_digester *lam_decoder_digests(const struct lam_decoder *decoder);
void lam_decoder_close(struct lam_decoder *decoder);

#endif
