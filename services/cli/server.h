/* A server's address as users type it. Any thread. */
#ifndef ANB_CLI_SERVER_H
#define ANB_CLI_SERVER_H

#include "base/buf.h"

/* `given`: "https://host:port" or "host:port". Written with its scheme and without a slash at its end. */
enum anb_status server_address(const char *given, char *address, size_t size, struct anb_error *err);
bool server_is_loopback(const char *address);

#endif
