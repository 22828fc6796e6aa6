/* Prints the table of the policy file's keys, for docs/configuration.md. */
#include "policy/policy.h"

#include <stdio.h>

int main(void)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    enum anb_status status = policy_markdown(&page, NULL);
    if (status == ANB_OK) fputs(buf_text(&page), stdout);
    buf_fini(&page);
    return status != ANB_OK;
}
