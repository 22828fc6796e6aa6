/* What is said in confidence: taken out of a record, put into another. */
#include "support/records.h"
#include "support/test.h"
#include "wire/schema.h"
#include "wire/wire.h"

#include <string.h>

static struct arena arena;
static struct buf out;

static void begin(void)
{
    arena_init(&arena, 1 << 20);
    buf_init(&out, CONTROL_RECORD_MAX_BYTES);
}

static void end(void)
{
    arena_fini(&arena);
    buf_fini(&out);
}

static struct metric loss = {"loss", 0.25};
static struct note device = {"device", "cpu"};

static struct record closed(void)
{
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = {.head = {.project = "p", .node = "a"},
                                                                       .job = "j",
                                                                       .metrics = &loss,
                                                                       .n_metrics = 1,
                                                                       .reported = &device,
                                                                       .n_reported = 1}};
    return record;
}

static void what_is_no_said_record_is_refused(void)
{
    struct record down = {RECORD_NODE_DOWN, .is.node_down = {.head = {.project = "p", .node = "a"}, .reason = ""}};
    struct record record = closed();
    begin();
    CHECK_STATUS(wire_encode(&down, &out, &test_error), ANB_OK);
    CHECK_STATUS(said_decode(buf_slice(&out), &arena, &record, &test_error), ANB_CORRUPT);
    CHECK(strstr(test_error.text, "NodeDown") != NULL);
    CHECK_STATUS(said_decode(slice_of(NULL, 0), &arena, &record, &test_error), ANB_CORRUPT);
    CHECK_TEXT(record.is.stream_closed.metrics[0].name, "loss");
    end();
}

static void records_that_say_nothing_have_no_place_for_it(void)
{
    struct record up = {RECORD_NODE_UP, .is.node_up = {.version = "1"}}, opened = {.kind = RECORD_STREAM_OPENED};
    CHECK(record_said(&up) == NULL);
    CHECK(record_said(&opened) == &opened.is.stream_opened.said);
    said_forget(&up);
    CHECK(!up.unheard);
    CHECK_TEXT(up.is.node_up.version, "1");
}

static void nothing_said_stands_in_the_record_itself(void)
{
    struct record record = closed(), got;
    begin();
    CHECK_STATUS(wire_encode(&record, &out, &test_error), ANB_OK);
    CHECK(memmem(out.data, out.size, "loss", 4) == NULL && memmem(out.data, out.size, "device", 6) == NULL);
    CHECK_STATUS(wire_decode(buf_slice(&out), &arena, &got, &test_error), ANB_OK);
    CHECK(got.unheard);
    CHECK_EQUAL(got.is.stream_closed.n_metrics, 0);
    end();
}

static void what_is_not_heard_is_empty_and_no_null(void)
{
    struct record record = {RECORD_TELEMETRY, .is.telemetry = {.source = "stderr", .text = "secret", .value = 3}};
    said_forget(&record);
    CHECK(record.unheard);
    CHECK_TEXT(record.is.telemetry.source, "");
    CHECK_TEXT(record.is.telemetry.text, "");
    CHECK_EQUAL(record.is.telemetry.value, 0);
}

static void what_is_said_comes_back_and_leaves_the_rest_alone(void)
{
    struct record record = closed(), got = {RECORD_STREAM_CLOSED, .unheard = true, .is.stream_closed = {.job = "j"}};
    begin();
    CHECK_STATUS(said_encode(&record, &out, &test_error), ANB_OK);
    CHECK_STATUS(said_decode(buf_slice(&out), &arena, &got, &test_error), ANB_OK);
    CHECK(!got.unheard);
    REQUIRE(got.is.stream_closed.n_metrics == 1 && got.is.stream_closed.n_reported == 1);
    CHECK_TEXT(got.is.stream_closed.metrics[0].name, "loss");
    CHECK_EQUAL(got.is.stream_closed.metrics[0].value, 0.25);
    CHECK_TEXT(got.is.stream_closed.reported[0].text, "cpu");
    CHECK_TEXT(got.is.stream_closed.job, "j");
    end();
}

static void a_text_that_is_missing_is_not_encoded(void)
{
    struct record record = {RECORD_JOB_ENDED, .is.job_ended = {.job = "j", .reason = NULL}};
    begin();
    CHECK_STATUS(said_encode(&record, &out, &test_error), ANB_INVALID);
    CHECK_EQUAL(out.size, 0);
    end();
}

/* So that a seal can be laid over it where it stands. */
static void said_is_the_last_field_of_every_record_that_has_it(void)
{
    int n = 0;
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct wire_type *type = wire_schemas[kind].type;
        if (wire_sayings[kind].n_moves == 0) continue;
        n++;
        CHECK_TEXT(type->fields[type->n_parts - 1].name, "said");
        CHECK_EQUAL(type->fields[type->n_parts - 1].offset, wire_sayings[kind].said_offset);
    }
    CHECK_EQUAL(n, 9);
}

TEST_MAIN("said", TEST(what_is_no_said_record_is_refused), TEST(records_that_say_nothing_have_no_place_for_it),
          TEST(nothing_said_stands_in_the_record_itself), TEST(what_is_not_heard_is_empty_and_no_null),
          TEST(what_is_said_comes_back_and_leaves_the_rest_alone), TEST(a_text_that_is_missing_is_not_encoded),
          TEST(said_is_the_last_field_of_every_record_that_has_it))
