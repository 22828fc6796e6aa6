/* Prints the diagrams of the state machines, for docs/states.md. */
#include "job/machine.h"

#include <stdio.h>

int main(void)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    enum anb_status status = machine_markdown(&page, NULL);
    if (status == ANB_OK) fputs(buf_text(&page), stdout);
    buf_fini(&page);
    return status != ANB_OK;
}
