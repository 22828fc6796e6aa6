#include "cli/table.h"
#include "support/test.h"

enum { CEILING = 1 << 16 };

static const char *written(const struct table *table, bool colours, struct buf *out)
{
    buf_clear(out);
    CHECK_STATUS(table_write(table, colours, out, &test_error), ANB_OK);
    return buf_text(out);
}

static void more_columns_than_there_is_room_for_are_an_error(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    for (int i = 0; i <= TABLE_MAX_COLUMNS; i++) table_column(&table, TABLE_LEFT, "x");
    CHECK_STATUS(table_write(&table, false, &out, &test_error), ANB_NO_MEMORY);
    table_fini(&table);
    buf_fini(&out);
}

static void a_column_after_the_first_cell_is_an_error(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "a");
    table_cell(&table, "1");
    table_column(&table, TABLE_LEFT, "b");
    CHECK_STATUS(table_write(&table, false, &out, &test_error), ANB_NO_MEMORY);
    table_fini(&table);
    buf_fini(&out);
}

static void a_table_longer_than_the_ceiling_is_an_error(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, 8);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "a long heading");
    CHECK_STATUS(table_write(&table, false, &out, &test_error), ANB_TOO_LARGE);
    table_fini(&table);
    buf_fini(&out);
}

static void columns_are_aligned_left_and_right_and_lines_have_no_blanks_at_their_end(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "name");
    table_column(&table, TABLE_RIGHT, "bytes");
    table_column(&table, TABLE_LEFT, "reason");
    table_cell(&table, "%s", "site-1");
    table_cell(&table, "%d", 7);
    table_cell(&table, "late");
    table_cell(&table, "b");
    table_cell(&table, "%d", 1234567);
    table_cell(&table, "%s", "");
    CHECK_TEXT(written(&table, false, &out), "NAME      BYTES  REASON\n"
                                             "site-1        7  late\n"
                                             "b       1234567\n");
    table_fini(&table);
    buf_fini(&out);
}

static void a_group_heading_stands_over_its_first_column(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_RIGHT, "round");
    table_group(&table, table.n_columns, "global model");
    table_column(&table, TABLE_RIGHT, "loss");
    table_cell(&table, "0");
    table_cell(&table, "0.5");
    CHECK_TEXT(written(&table, false, &out), "       global model\n"
                                             "ROUND  LOSS\n"
                                             "    0   0.5\n");
    table_fini(&table);
    buf_fini(&out);
}

static void a_table_whose_headings_are_all_empty_has_no_line_for_them(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "");
    table_column(&table, TABLE_LEFT, "");
    table_cell(&table, "name");
    table_cell(&table, "digits");
    CHECK_TEXT(written(&table, false, &out), "name  digits\n");
    table_fini(&table);
    buf_fini(&out);
}

static void colours_do_not_count_as_width_and_can_be_left_out(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "state");
    table_column(&table, TABLE_LEFT, "x");
    table_cell_coloured(&table, TABLE_RED, "down");
    table_cell(&table, "1");
    CHECK_TEXT(written(&table, true, &out), "STATE  X\n\033[31mdown\033[0m   1\n");
    CHECK_TEXT(written(&table, false, &out), "STATE  X\ndown   1\n");
    table_fini(&table);
    buf_fini(&out);
}

static void foreign_text_cannot_break_the_lines(void)
{
    struct table table;
    struct buf out;
    buf_init(&out, CEILING);
    table_init(&table);
    table_column(&table, TABLE_LEFT, "a\nb");
    table_column(&table, TABLE_LEFT, "c");
    table_cell(&table, "%s", "\033[2J\n");
    table_cell(&table, "%s", "Z\xc3\xbcrich");
    CHECK_TEXT(written(&table, false, &out), "A?B    C\n?[2J?  Z\xc3\xbcrich\n");
    table_fini(&table);
    buf_fini(&out);
}

TEST_MAIN("cli-table", TEST(more_columns_than_there_is_room_for_are_an_error),
          TEST(a_column_after_the_first_cell_is_an_error), TEST(a_table_longer_than_the_ceiling_is_an_error),
          TEST(columns_are_aligned_left_and_right_and_lines_have_no_blanks_at_their_end),
          TEST(a_group_heading_stands_over_its_first_column),
          TEST(a_table_whose_headings_are_all_empty_has_no_line_for_them),
          TEST(colours_do_not_count_as_width_and_can_be_left_out), TEST(foreign_text_cannot_break_the_lines))
