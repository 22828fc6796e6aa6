#include "job/machine.h"
#include "support/test.h"

#include <string.h>

static void an_ended_job_goes_nowhere(void)
{
    struct job_state job = {.phase = JOB_ENDED};
    for (int to = JOB_SUBMITTED; to <= JOB_ENDED; to++) CHECK(!job_move(&job, to));
    CHECK_EQUAL(job.phase, JOB_ENDED);
}

static void a_submitted_job_cannot_store(void)
{
    struct job_state job = {.phase = JOB_SUBMITTED};
    CHECK(!job_move(&job, JOB_STORING));
    CHECK_EQUAL(job.phase, JOB_SUBMITTED);
}

static void a_closed_round_is_not_opened_again(void)
{
    struct round_state round = {.phase = ROUND_CLOSED};
    CHECK(!round_move(&round, ROUND_OPEN));
    CHECK(!round_move(&round, ROUND_CLOSED));
}

static void an_excluded_part_stays_and_a_closed_one_can_only_be_excluded(void)
{
    for (int to = PART_WAITING; to <= PART_EXCLUDED; to++) {
        CHECK_EQUAL(machine_allows(&part_machine, PART_CLOSED, to), to == PART_EXCLUDED);
        CHECK(!machine_allows(&part_machine, PART_EXCLUDED, to));
    }
}

static void a_part_closes_only_after_it_has_opened(void)
{
    struct part_state part = {.phase = PART_WAITING};
    CHECK(!part_move(&part, PART_CLOSED));
    CHECK(part_move(&part, PART_OPENED));
    CHECK(part_move(&part, PART_CLOSED));
}

static void an_abandoned_stream_stays_abandoned(void)
{
    struct stream_state stream = {.phase = STREAM_ABANDONED};
    CHECK(!stream_move(&stream, STREAM_OPEN));
    CHECK(!stream_move(&stream, STREAM_CLOSED));
}

static void the_diagram_has_every_move_the_beginning_and_the_ends(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    CHECK_STATUS(machine_mermaid(&job_machine, &out, &test_error), ANB_OK);
    const char *text = buf_text(&out);
    CHECK(strncmp(text, "stateDiagram-v2\n    [*] --> submitted\n", 38) == 0);
    CHECK(strstr(text, "    submitted --> running: enough sites have accepted (JobStarted)") != NULL);
    CHECK(strstr(text, "    storing --> ended: ") != NULL);
    CHECK(strstr(text, "    ended --> [*]\n") != NULL);
    CHECK(strstr(text, "    running --> [*]") == NULL);
    buf_fini(&out);
}

static void labels_have_no_characters_that_end_a_mermaid_label(void)
{
    static const struct machine *const machines[] = {&job_machine, &round_machine, &part_machine, &stream_machine};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < machines[i]->n_moves; k++) CHECK(!strpbrk(machines[i]->moves[k].why, ":;\n"));
}

static void the_page_has_four_diagrams(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    CHECK_STATUS(machine_markdown(&out, &test_error), ANB_OK);
    int n = 0;
    for (const char *at = buf_text(&out); (at = strstr(at, "```mermaid")); at++) n++;
    CHECK_EQUAL(n, 4);
    buf_fini(&out);
}

static void a_page_beyond_the_ceiling_is_an_error(void)
{
    struct buf out;
    buf_init(&out, 100);
    CHECK_STATUS(machine_markdown(&out, &test_error), ANB_TOO_LARGE);
    buf_fini(&out);
}

TEST_MAIN("machine", TEST(an_ended_job_goes_nowhere), TEST(a_submitted_job_cannot_store),
          TEST(a_closed_round_is_not_opened_again), TEST(an_excluded_part_stays_and_a_closed_one_can_only_be_excluded),
          TEST(a_part_closes_only_after_it_has_opened), TEST(an_abandoned_stream_stays_abandoned),
          TEST(the_diagram_has_every_move_the_beginning_and_the_ends),
          TEST(labels_have_no_characters_that_end_a_mermaid_label), TEST(the_page_has_four_diagrams),
          TEST(a_page_beyond_the_ceiling_is_an_error))
