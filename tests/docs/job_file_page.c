/* Prints the table of the job file's keys, for docs/configuration.md. */
#include "job/spec.h"

#include <stdio.h>

int main(void)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    enum anb_status status = job_spec_markdown(&page, NULL);
    if (status == ANB_OK) fputs(buf_text(&page), stdout);
    buf_fini(&page);
    return status != ANB_OK;
}
