/* SipHash-2-4 (Aumasson and Bernstein 2012): a keyed hash of short inputs that tells nothing of them to whoever lacks the key. */
#ifndef LAMINA_AI_REDACT_SIPHASH_H
#define LAMINA_AI_REDACT_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t lam_siphash(const uint8_t key[16], const void *bytes, size_t len);

#endif
