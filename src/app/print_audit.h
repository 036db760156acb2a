/* What an agent did for a record, step by step, for people. */
#ifndef LAMINA_APP_PRINT_AUDIT_H
#define LAMINA_APP_PRINT_AUDIT_H

#include <jansson.h>

/* record: as a query answers with it. */
void lam_print_audit(const json_t *record);

#endif
