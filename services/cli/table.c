#include "cli/table.h"

#include "cli/format.h"
#include "cli/terminal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_CEILING_BYTES = 64 << 20, GAP = 2 };

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->n_columns; i++) free(table->headings[i]);
    for (size_t i = 0; i < table->n_cells; i++) free(table->cells[i].text);
    free(table->cells);
    table_init(table);
}

/* A harmless copy, NULL without memory. */
static char *copy_foreign(const char *text)
{
    struct buf safe;
    buf_init(&safe, TABLE_CEILING_BYTES);
    if (format_foreign(text, &safe, NULL) == ANB_OK) return buf_take_text(&safe);
    buf_fini(&safe);
    return NULL;
}

void table_column(struct table *table, enum table_align align, const char *heading)
{
    if (table->n_columns == TABLE_MAX_COLUMNS || table->n_cells > 0) {
        table->failed = true;
        return;
    }
    char *text = copy_foreign(heading);
    if (!text) table->failed = true;
    for (char *c = text; c && *c; c++) *c = (char)toupper((unsigned char)*c);
    table->headings[table->n_columns] = text;
    table->aligns[table->n_columns++] = align;
}

void table_group(struct table *table, size_t from_column, const char *heading)
{
    table->group = heading;
    table->group_from = from_column;
}

void table_cell_coloured(struct table *table, enum table_colour colour, const char *text)
{
    if (table->n_cells == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        struct table_cell *cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = copy_foreign(text);
    if (!copy)
        table->failed = true;
    else
        table->cells[table->n_cells++] = (struct table_cell){copy, colour};
}

void table_cell(struct table *table, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        table->failed = true;
        return;
    }
    table_cell_coloured(table, TABLE_PLAIN, text);
    free(text);
}

static void measure(const struct table *table, size_t widths[TABLE_MAX_COLUMNS])
{
    for (size_t i = 0; i < table->n_columns; i++) widths[i] = format_width(table->headings[i]);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t width = format_width(table->cells[i].text), column = i % table->n_columns;
        if (width > widths[column]) widths[column] = width;
    }
}

static enum anb_status write_blanks(size_t count, struct buf *out, struct anb_error *err)
{
    return buf_printf(out, err, "%*s", (int)count, "");
}

static enum anb_status write_text(const char *text, enum table_colour colour, struct buf *out, struct anb_error *err)
{
    static const char *const codes[] = {"", "\033[32m", "\033[33m", "\033[31m"};
    if (colour == TABLE_PLAIN) return buf_append_text(out, text, err);
    return buf_printf(out, err, "%s%s\033[0m", codes[colour], text);
}

static void trim_blanks(struct buf *out)
{
    while (out->size > 0 && out->data[out->size - 1] == ' ') out->size--;
}

/* One cell of a line, and the line's end behind the last one, with no blanks before it. */
static enum anb_status write_cell(const struct table *table, size_t column, size_t width, const char *text,
                                  enum table_colour colour, struct buf *out, struct anb_error *err)
{
    bool last = column + 1 == table->n_columns, right = table->aligns[column] == TABLE_RIGHT;
    size_t blanks = width - format_width(text);
    enum anb_status status = write_blanks(right ? blanks : 0, out, err);
    if (status == ANB_OK) status = write_text(text, colour, out, err);
    if (status == ANB_OK && last) {
        trim_blanks(out);
        return buf_append_text(out, "\n", err);
    }
    return status == ANB_OK ? write_blanks(GAP + (right ? 0 : blanks), out, err) : status;
}

static enum anb_status write_group(const struct table *table, const size_t *widths, struct buf *out,
                                   struct anb_error *err)
{
    size_t blanks = 0;
    for (size_t i = 0; i < table->group_from && i < table->n_columns; i++) blanks += widths[i] + GAP;
    return buf_printf(out, err, "%*s%s\n", (int)blanks, "", table->group);
}

static bool has_headings(const struct table *table)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (*table->headings[i]) return true;
    return false;
}

static enum anb_status write_headings(const struct table *table, const size_t *widths, struct buf *out,
                                      struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; status == ANB_OK && i < table->n_columns; i++)
        status = write_cell(table, i, widths[i], table->headings[i], TABLE_PLAIN, out, err);
    return status;
}

enum anb_status table_write(const struct table *table, bool colours, struct buf *out, struct anb_error *err)
{
    size_t widths[TABLE_MAX_COLUMNS];
    enum anb_status status = ANB_OK;
    if (table->failed) return anb_fail(err, ANB_NO_MEMORY, "no memory for a table");
    measure(table, widths);
    if (table->group) status = write_group(table, widths, out, err);
    if (status == ANB_OK && has_headings(table)) status = write_headings(table, widths, out, err);
    for (size_t i = 0; status == ANB_OK && i < table->n_cells; i++) {
        const struct table_cell *cell = &table->cells[i];
        size_t column = i % table->n_columns;
        enum table_colour colour = colours ? cell->colour : TABLE_PLAIN;
        status = write_cell(table, column, widths[column], cell->text, colour, out, err);
    }
    return status;
}

enum anb_status table_print(const struct table *table, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, TABLE_CEILING_BYTES);
    enum anb_status status = table_write(table, terminal_has_colours(stdout), &text, err);
    if (status == ANB_OK) fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return status;
}
