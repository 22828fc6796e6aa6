/* TLS of the REST endpoint: 1.3, or 1.2 with forward secrecy, by GnuTLS inside libmicrohttpd. What it shows is read
 * from two PEM files; a client may show a certificate, and has then proved that it holds its key. Whose certificate
 * that is, and whether it is worth anything, is not looked at here. `struct tls` is owned by who opened it, and must
 * outlive the endpoint. */
#ifndef ANB_SERVER_TLS_H
#define ANB_SERVER_TLS_H

#include "base/buf.h"

struct tls;
struct MHD_Connection;

struct tls_files {
    const char *certificate, *key; /* PEM */
    const char *passphrase_file;   /* the first line decrypts the key; NULL: it is not encrypted */
    const char *root;              /* PEM: clients learn that certificates of this one are wanted */
};

enum anb_status tls_open(const struct tls_files *files, struct tls **tls, struct anb_error *err);
void tls_close(struct tls *tls); /* wipes the key; NULL is fine */

/* For libmicrohttpd; zero-terminated. */
const char *tls_certificate(const struct tls *tls);
const char *tls_key(const struct tls *tls);
const char *tls_passphrase(const struct tls *tls); /* NULL: none */
const char *tls_root(const struct tls *tls);
const char *tls_priorities(void);

/* The DER of the certificate that the client has shown; empty when none. Lives as long as the connection. */
struct slice tls_peer(struct MHD_Connection *connection);

#endif
