#include "tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)64 << 10)
#define HEADER 16 /* before each allocation: its length */

struct lam_tree_chunk {
    struct lam_tree_chunk *next;
    size_t len, cap;
    _Alignas(16) char bytes[];
};

void lam_tree_init(struct lam_tree *tree, size_t max)
{
    memset(tree, 0, sizeof *tree);
    tree->max = max;
}

void lam_tree_reset(struct lam_tree *tree)
{
    while (tree->chunks && tree->chunks->next) {
        struct lam_tree_chunk *next = tree->chunks->next;

        free(tree->chunks);
        tree->chunks = next;
    }
    if (tree->chunks)
        tree->chunks->len = 0;
    tree->used = 0;
    tree->no_memory = false;
}

void lam_tree_release(struct lam_tree *tree)
{
    lam_tree_reset(tree);
    free(tree->chunks);
    tree->chunks = NULL;
}

void *lam_tree_alloc(struct lam_tree *tree, size_t len)
{
    struct lam_tree_chunk *chunk = tree->chunks;
    size_t whole;
    char *at;

    if (len > tree->max || HEADER + ((len + 15) & ~(size_t)15) > tree->max - tree->used)
        longjmp(tree->full, 1);
    whole = HEADER + ((len + 15) & ~(size_t)15);
    if (!chunk || chunk->cap - chunk->len < whole) {
        size_t cap = chunk && chunk->cap < (CHUNK << 6) ? 2 * chunk->cap : CHUNK; /* few mallocs for large trees, little for small */

        if (cap < whole)
            cap = whole;
        if (!(chunk = malloc(sizeof *chunk + cap))) {
            tree->no_memory = true;
            longjmp(tree->full, 1);
        }
        chunk->next = tree->chunks;
        chunk->len = 0;
        chunk->cap = cap;
        tree->chunks = chunk;
    }
    at = chunk->bytes + chunk->len;
    chunk->len += whole;
    tree->used += whole;
    memcpy(at, &len, sizeof len);
    return at + HEADER;
}

void *lam_tree_realloc(struct lam_tree *tree, void *ptr, size_t len)
{
    size_t old = 0;
    void *moved;

    if (ptr)
        memcpy(&old, (char *)ptr - HEADER, sizeof old);
    if (ptr && len <= ((old + 15) & ~(size_t)15)) {
        if (len > old)
            memcpy((char *)ptr - HEADER, &len, sizeof len); /* or the next realloc would copy too little */
        return ptr;
    }
    moved = lam_tree_alloc(tree, len);
    if (old)
        memcpy(moved, ptr, old);
    return moved;
}
