#include "cli/terminal.h"

#include "base/clock.h"
#include "cli/format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 16, REDRAW_MS = 100, LINE_BYTES = 512 };

bool terminal_is(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool terminal_has_colours(FILE *file)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    return terminal_is(file) && !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
}

static int terminal_columns(FILE *file)
{
    struct winsize size;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

void bar_init(struct bar *bar, const char *label)
{
    *bar = (struct bar){.label = label, .started_ms = clock_monotonic_ms()};
}

static void fill_cells(int64_t done, int64_t total, char cells[BAR_CELLS + 1])
{
    int full = total > 0 ? (int)((double)done / (double)total * BAR_CELLS) : 0;
    if (full > BAR_CELLS) full = BAR_CELLS;
    if (full < 0) full = 0;
    memset(cells, ' ', BAR_CELLS);
    memset(cells, '=', (size_t)full);
    if (full < BAR_CELLS) cells[full] = '>';
    cells[BAR_CELLS] = 0;
}

static bool wants_drawing(struct bar *bar, bool whole)
{
    int64_t now_ms = clock_monotonic_ms();
    bool news = whole && !bar->whole; /* the last state is not left out */
    if (!terminal_is(stderr) || (!news && bar->shown && now_ms - bar->drawn_ms < REDRAW_MS)) return false;
    bar->drawn_ms = now_ms;
    bar->whole = whole;
    bar->shown = true;
    return true;
}

void bar_steps(struct bar *bar, int64_t done, int64_t total, const char *words)
{
    char cells[BAR_CELLS + 1], line[LINE_BYTES];
    if (!wants_drawing(bar, total > 0 && done >= total)) return;
    fill_cells(done, total, cells);
    snprintf(line, sizeof line, "%s  [%s]  %s", bar->label, cells, words);
    fprintf(stderr, "\r%.*s\033[K", terminal_columns(stderr) - 1, line);
    fflush(stderr);
}

void bar_bytes(struct bar *bar, int64_t done, int64_t total)
{
    char words[LINE_BYTES], have[FORMAT_BYTES], all[FORMAT_BYTES], rate[FORMAT_BYTES];
    int64_t spent_ms = clock_monotonic_ms() - bar->started_ms;
    format_bytes(done, have);
    format_bytes(spent_ms > 0 ? (int64_t)((double)done * 1000 / (double)spent_ms) : 0, rate);
    if (total > 0)
        snprintf(words, sizeof words, "%s of %s  %s/s", have, format_bytes(total, all), rate);
    else
        snprintf(words, sizeof words, "%s  %s/s", have, rate);
    bar_steps(bar, done, total, words);
}

void bar_clear(struct bar *bar)
{
    if (!bar->shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar->shown = false;
}
