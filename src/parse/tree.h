/*
 * Memory for a vendor's parse tree, with a limit that holds inside the vendor's code.
 *
 * Neither cmark nor Gumbo survives an allocation that fails, and neither limits what a small hostile document can make of itself
 * (repeated references, reconstructed elements, padded tables). So their allocators are ours: all of a document's
 * memory comes from here, is never freed singly, and when it would pass the limit lam_tree_alloc jumps back to where the
 * parse began. Nothing else is held by the vendor at that moment, so that nothing leaks; and a tree is dropped as a whole, without
 * the vendor's walk over it, which recurses.
 *
 *     if (setjmp(tree->full) == 0)
 *         … the vendor's calls …
 *     else
 *         … too large, or out of memory
 */
#ifndef LAMINA_PARSE_TREE_H
#define LAMINA_PARSE_TREE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

struct lam_tree_chunk;

struct lam_tree {
    struct lam_tree_chunk *chunks; /* newest first; the oldest is kept from document to document */
    size_t used, max;              /* bytes handed out; their limit */
    bool no_memory;                /* malloc said so, not the limit */
    jmp_buf full;
};

void lam_tree_init(struct lam_tree *tree, size_t max);
void lam_tree_release(struct lam_tree *tree);
void lam_tree_reset(struct lam_tree *tree);

/* Aligned to 16. Never NULL: it jumps instead. */
void *lam_tree_alloc(struct lam_tree *tree, size_t len);
void *lam_tree_realloc(struct lam_tree *tree, void *ptr, size_t len);

#endif
