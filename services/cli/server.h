/* Which server: its address as users type it. Any thread. */
#ifndef ANB_CLI_SERVER_H
#define ANB_CLI_SERVER_H

#include "base/buf.h"

/* `given`: "https://host:port", "host:port", or NULL: the running dev federation's address, else
 * http://127.0.0.1:8500. Written without a slash at its end. */
enum anb_status server_address(const char *given, char *address, size_t size, struct anb_error *err);
bool server_is_loopback(const char *address);

#endif
