/*
 * Who does what: the world split by role.
 *
 *     run        rank 0: serve, coordinate    ranks 1 … S: speed    the rest: batch
 *     one layer  every rank works, and rank 0 coordinates besides
 *
 * With too few ranks batch gets one first, then speed; a role without a rank is held by rank 0. Plain data, the same on every rank.
 */
#ifndef LAMINA_COMM_ROLES_H
#define LAMINA_COMM_ROLES_H

#include <stdbool.h>

enum lam_role { LAM_ROLE_SERVE, LAM_ROLE_SPEED, LAM_ROLE_BATCH, LAM_ROLE_COUNT };

struct lam_roles {
    int size;                                         /* of the world */
    int first[LAM_ROLE_COUNT], count[LAM_ROLE_COUNT]; /* ranks first … first + count - 1; count 0: nobody has this role */
};

/* All three layers on size ranks, with speed of them asked for the speed layer. */
struct lam_roles lam_roles_run(int size, int speed);

/* One layer alone, on every rank (serve: on rank 0). Nobody has the other roles. */
struct lam_roles lam_roles_single(int size, enum lam_role role);

bool lam_roles_has(const struct lam_roles *roles, int rank, enum lam_role role);

/* The i-th rank of a role, i from 0; -1: there is none. And back: which one rank is among those of its role; -1: it is none. */
int lam_roles_rank(const struct lam_roles *roles, enum lam_role role, int i);
int lam_roles_index(const struct lam_roles *roles, enum lam_role role, int rank);

/* "serve", "speed", "batch". */
const char *lam_role_name(enum lam_role role);

#endif
