#include "roles.h"

struct lam_roles lam_roles_run(int size, int speed)
{
    struct lam_roles roles = {.size = size, .count = {1, 1, 1}};
    int others = size - 1; /* rank 0 serves */

    if (speed > others - 1)
        speed = others - 1; /* batch gets one first */
    if (speed > 0) {
        roles.first[LAM_ROLE_SPEED] = 1;
        roles.count[LAM_ROLE_SPEED] = speed;
    } else {
        speed = 0; /* held by rank 0 */
    }
    if (others > 0) {
        roles.first[LAM_ROLE_BATCH] = 1 + speed;
        roles.count[LAM_ROLE_BATCH] = others - speed;
    }
    return roles;
}

struct lam_roles lam_roles_single(int size, enum lam_role role)
{
    struct lam_roles roles = {.size = size};

    roles.count[role] = role == LAM_ROLE_SERVE ? 1 : size;
    return roles;
}

bool lam_roles_has(const struct lam_roles *roles, int rank, enum lam_role role) { return lam_roles_index(roles, role, rank) >= 0; }

int lam_roles_rank(const struct lam_roles *roles, enum lam_role role, int i)
{
    return i >= 0 && i < roles->count[role] ? roles->first[role] + i : -1;
}

int lam_roles_index(const struct lam_roles *roles, enum lam_role role, int rank)
{
    int i = rank - roles->first[role];

    return i >= 0 && i < roles->count[role] ? i : -1;
}

const char *lam_role_name(enum lam_role role)
{
    static const char *const names[LAM_ROLE_COUNT] = {"serve", "speed", "batch"};

    return role < LAM_ROLE_COUNT ? names[role] : "none";
}
