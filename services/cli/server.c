#include "cli/server.h"

#include <stdio.h>
#include <string.h>

enum anb_status server_address(const char *given, char *address, size_t size, struct anb_error *err)
{
    const char *scheme_end = strstr(given, "://"), *rest = scheme_end ? scheme_end + 3 : given;
    bool known = !scheme_end || strncmp(given, "https://", 8) == 0;
    size_t length = strlen(given);
    while (length > 0 && given[length - 1] == '/') length--;
    bool clean = *rest && *rest != '/' && *rest != ':';
    for (const char *c = rest; *c; c++) clean = clean && *c > ' ' && *c < 0x7f && !strchr("?#%\\\"<>@", *c);
    if (!known || !clean)
        return anb_fail(err, ANB_INVALID, "server \"%.200s\" is not an address: write https://HOST:PORT", given);
    if (snprintf(address, size, "%s%.*s", scheme_end ? "" : "https://", (int)length, given) >= (int)size)
        return anb_fail(err, ANB_INVALID, "server address too long: %.64s...", given);
    return ANB_OK;
}

bool server_is_loopback(const char *address)
{
    const char *host = strstr(address, "://");
    host = host ? host + 3 : address;
    size_t length = strcspn(host, ":/");
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
           (length == 9 && strncmp(host, "localhost", 9) == 0);
}
