#ifndef BASE_SHA256_H
#define BASE_SHA256_H
/* SHA-256 (FIPS 180-4): names a base model, proves that a checkpoint is whole. */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t bytes;             /* fed so far */
    unsigned char block[64];    /* the unfinished block */
} Sha256;

enum { SHA256_BYTES = 32, SHA256_TEXT = 65 };

void sha256_init(Sha256 *hash);
void sha256_update(Sha256 *hash, const void *data, size_t bytes);
void sha256_final(Sha256 *hash, unsigned char digest[SHA256_BYTES]);
/* 64 lower-case hexadecimal digits and a terminator. */
void sha256_text(const unsigned char digest[SHA256_BYTES], char text[SHA256_TEXT]);
/* The digest of a regular file as text; pages are dropped as it goes, so a model
 * of any size costs no memory. */
TMB_MUST_USE tmb_status sha256_file(const char *path, char text[SHA256_TEXT]);

#endif
