/* Addresses to listen on. */
#ifndef LAMINA_SERVE_LISTEN_H
#define LAMINA_SERVE_LISTEN_H

#include <lamina/error.h>
#include <stdbool.h>

struct lam_listen {
    int fd;          /* listening */
    unsigned port;
    bool loopback;   /* reached from this machine alone */
    char host[256];  /* as written, without brackets */
    char url[300];   /* http://host:port */
};

/*
 * Binds "127.0.0.1:8080", "[::1]:8080", "localhost:0", "0.0.0.0:8080" and listens. LAM_E_INVALID: no such address;
 * LAM_E_IO: it cannot be bound, with the reason.
 */
int lam_listen_open(const char *text, struct lam_listen *listen, struct lam_error *err);

#endif
