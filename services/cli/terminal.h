/* What the user looks at: is it a terminal, has it colours, and a progress bar on it.
 *
 * A bar is one line on standard error that is drawn over itself at most ten times a second; without a terminal there it
 * draws nothing. One thread. */
#ifndef ANB_CLI_TERMINAL_H
#define ANB_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

bool terminal_is(FILE *file);
bool terminal_has_colours(FILE *file); /* a terminal that is not dumb, and NO_COLOR is not set */

struct bar {
    const char *label; /* stays alive */
    int64_t started_ms, drawn_ms;
    bool shown; /* a line stands on the terminal */
    bool whole; /* and it shows the end */
};

void bar_init(struct bar *bar, const char *label);
/* "uploading  [=====>    ]  12.3 MiB of 40.0 MiB  8.1 MiB/s"; total 0: not known. */
void bar_bytes(struct bar *bar, int64_t done, int64_t total);
/* Any steps, with words of your own behind the bar. */
void bar_steps(struct bar *bar, int64_t done, int64_t total, const char *words);
void bar_clear(struct bar *bar); /* take the line away */

#endif
