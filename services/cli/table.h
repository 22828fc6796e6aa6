/* Aligned tables as kubectl prints them: a line of headings (none when all are empty), then rows, two blanks between
 * columns, no rules.
 *
 * Columns are named first, then cells are added one after the other, row by row. Cells are copied, and foreign text is
 * made harmless. A failed allocation is remembered and reported by table_print. One thread. */
#ifndef ANB_CLI_TABLE_H
#define ANB_CLI_TABLE_H

#include "base/buf.h"

#include <stdio.h>

enum { TABLE_MAX_COLUMNS = 24 };
enum table_align { TABLE_LEFT, TABLE_RIGHT };
enum table_colour { TABLE_PLAIN, TABLE_GREEN, TABLE_YELLOW, TABLE_RED };

struct table_cell {
    char *text;
    enum table_colour colour;
};

struct table {
    char *headings[TABLE_MAX_COLUMNS];
    enum table_align aligns[TABLE_MAX_COLUMNS];
    size_t n_columns;
    struct table_cell *cells;
    size_t n_cells, capacity;
    const char *group; /* a heading over columns group_from and following, NULL: none */
    size_t group_from;
    bool failed;
};

void table_init(struct table *table);
void table_fini(struct table *table);
void table_column(struct table *table, enum table_align align, const char *heading);
void table_group(struct table *table, size_t from_column, const char *heading); /* `heading` stays alive */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_cell_coloured(struct table *table, enum table_colour colour, const char *text);
/* Append the table; `colours`: with escapes for the coloured cells. */
enum anb_status table_write(const struct table *table, bool colours, struct buf *out, struct anb_error *err);
/* The same on standard output, coloured when that is a terminal which wants it. */
enum anb_status table_print(const struct table *table, struct anb_error *err);

#endif
