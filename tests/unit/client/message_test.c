/* The trainer's messages: what is refused, what ends the link, and what is taken. */
#include "message.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum anb_status parse(const char *text)
{
    struct message message;
    enum anb_status status = message_parse(slice_of_text(text), &message, &test_error);
    if (status == ANB_OK) message_fini(&message);
    return status;
}

static void what_is_no_message_is_corrupt(void)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"type\":3}",
                                        "{\"type\":\"next\"",
                                        "null",
                                        "{\"type\":\"next\",\"type\":\"next\"}",
                                        "{\"type\":\"hello\"}",
                                        "{\"type\":\"hello\",\"protocol\":2}",
                                        "{\"type\":\"n\xff\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) CHECK_EQUAL(parse(texts[i]), ANB_CORRUPT);
}

static void what_cannot_be_taken_is_refused_with_a_reason(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"{\"type\":\"weather\"}", "\"weather\""},
        {"{\"type\":\"result\"}", "id of its task"},
        {"{\"type\":\"result\",\"task\":\"a\",\"params_type\":\"HALF\"}", "FULL or DIFF"},
        {"{\"type\":\"result\",\"task\":\"a\",\"weight\":0}", "weight"},
        {"{\"type\":\"result\",\"task\":\"a\",\"weight\":-1}", "weight"},
        {"{\"type\":\"result\",\"task\":\"a\",\"weight\":\"many\"}", "weight"},
        {"{\"type\":\"result\",\"task\":\"a\",\"weight\":null}", "weight"},
        {"{\"type\":\"result\",\"task\":\"a\",\"weight\":1e300}", "weight"},
        {"{\"type\":\"result\",\"task\":\"a\",\"metrics\":[1]}", "object"},
        {"{\"type\":\"result\",\"task\":\"a\",\"metrics\":{\"loss\":\"low\"}}", "loss"},
        {"{\"type\":\"log\",\"value\":1}", "key"},
        {"{\"type\":\"log\",\"key\":\"k\",\"value\":1,\"step\":-3}", "step"},
        {"{\"type\":\"log\",\"key\":\"k\",\"value\":1,\"step\":\"x\"}", "step"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQUAL(parse(cases[i].text), ANB_INVALID);
        CHECK(strstr(test_error.text, cases[i].words) != NULL);
    }
}

static void metrics_have_bounds(void)
{
    char text[8192] = "{\"type\":\"result\",\"task\":\"a\",\"metrics\":{";
    for (int i = 0; i <= PART_MAX_METRICS; i++) sprintf(text + strlen(text), "%s\"m%d\":%d", i ? "," : "", i, i);
    strcat(text, "}}");
    CHECK_EQUAL(parse(text), ANB_INVALID);
    char name[METRIC_NAME_MAX_BYTES + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sprintf(text, "{\"type\":\"result\",\"task\":\"a\",\"metrics\":{\"%s\":1}}", name);
    CHECK_EQUAL(parse(text), ANB_INVALID);
}

static void a_result_is_read_whole(void)
{
    struct message message;
    const char *text = "{\"type\":\"result\",\"task\":\"3-train\",\"params_type\":\"DIFF\",\"weight\":64,"
                       "\"metrics\":{\"loss\":0.5,\"n\":3,\"bad\":null},\"unknown\":[1]}";
    CHECK_STATUS(message_parse(slice_of_text(text), &message, &test_error), ANB_OK);
    CHECK_EQUAL(message.kind, MESSAGE_RESULT);
    CHECK_TEXT(message.task, "3-train");
    CHECK_EQUAL(message.params_type, PARAMS_TYPE_DIFF);
    CHECK(message.weight == 64);
    CHECK(message.has_metrics && message.n_metrics == 2 && message.n_unusable == 1);
    CHECK_TEXT(message.metrics[1].name, "n");
    CHECK(message.metrics[0].value == 0.5);
    message_fini(&message);
}

static void what_a_result_leaves_out_has_defaults(void)
{
    struct message message;
    CHECK_STATUS(
        message_parse(slice_of_text("{\"type\":\"result\",\"task\":\"a\",\"metrics\":null}"), &message, &test_error),
        ANB_OK);
    CHECK(message.weight == 1 && message.params_type == PARAMS_TYPE_FULL && !message.has_metrics);
    message_fini(&message);
}

static void logs_and_failures_are_read(void)
{
    struct message message;
    CHECK_STATUS(message_parse(slice_of_text("{\"type\":\"log\",\"key\":\"k\",\"value\":null,\"step\":null}"), &message,
                               &test_error),
                 ANB_OK);
    CHECK(isnan(message.value) && message.step == -1);
    message_fini(&message);
    CHECK_STATUS(
        message_parse(slice_of_text("{\"type\":\"log\",\"key\":\"k\",\"value\":2,\"step\":0}"), &message, &test_error),
        ANB_OK);
    CHECK(message.value == 2 && message.step == 0);
    message_fini(&message);
    CHECK_STATUS(message_parse(slice_of_text("{\"type\":\"failed\",\"reason\":\"no data\"}"), &message, &test_error),
                 ANB_OK);
    CHECK_TEXT(message.reason, "no data");
    message_fini(&message);
}

static void written_messages_are_those_of_the_protocol(void)
{
    struct buf out;
    buf_init(&out, MESSAGE_MAX_BYTES);
    const struct message_task task = {"3-evaluate", TASK_EVALUATE, 3, 3};
    CHECK_STATUS(message_write_task(&task, &out, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&out),
               "{\"type\":\"task\",\"id\":\"3-evaluate\",\"name\":\"evaluate\",\"round\":3,\"total_rounds\":3}");
    buf_clear(&out);
    CHECK_STATUS(message_write_welcome("00ff", "j", "site-1", 3, &out, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&out), "{\"type\":\"welcome\",\"protocol\":1,\"job\":\"00ff\",\"job_name\":\"j\",\"site\":"
                               "\"site-1\",\"tasks\":{\"train\":\"train\",\"evaluate\":\"evaluate\"},"
                               "\"config\":{\"rounds\":3}}");
    buf_clear(&out);
    CHECK_STATUS(message_write_accepted("a", true, &out, &test_error), ANB_OK);
    CHECK_STATUS(message_write_refused(NULL, "no \"x\"", &out, &test_error), ANB_OK);
    CHECK_STATUS(message_write_end("completed", "", &out, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&out), "{\"type\":\"accepted\",\"task\":\"a\",\"late\":true}"
                               "{\"type\":\"refused\",\"task\":null,\"reason\":\"no \\\"x\\\"\"}"
                               "{\"type\":\"end\",\"outcome\":\"completed\",\"reason\":\"\"}");
    buf_fini(&out);
}

TEST_MAIN("client message", TEST(what_is_no_message_is_corrupt), TEST(what_cannot_be_taken_is_refused_with_a_reason),
          TEST(metrics_have_bounds), TEST(a_result_is_read_whole), TEST(what_a_result_leaves_out_has_defaults),
          TEST(logs_and_failures_are_read), TEST(written_messages_are_those_of_the_protocol))
