/* XCLIENT at the server machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/server.h"

static const struct smtp_server_settings settings = {
    .hostname = BYTES_INIT("mx.example"),
    .role = ROLE_MX,
    .size_limit = 1000,
    .line_limit = 2048,
    .recipient_limit = 100,
    .error_limit = 10,
    .command_timeout_ms = 300000,
    .data_timeout_ms = 180000,
};

struct scene {
    struct smtp_server *smtp;
    int code; /* that the driver answers with */
    struct buf heard, asked;
};

static void run(struct scene *scene)
{
    for (;;) {
        enum smtp_server_effect effect = smtp_server_step(scene->smtp);
        struct bytes output = smtp_server_output(scene->smtp);
        struct smtp_answer answer = {250, BYTES("2.1.0"), BYTES("ok")};
        buf_add(&scene->heard, output);
        smtp_server_sent(scene->smtp, output.len);
        switch (effect) {
        case SERVER_NEW_PEER:
            buf_add(&scene->asked, smtp_server_new_peer(scene->smtp));
            buf_add_byte(&scene->asked, ';');
            answer.code = scene->code;
            answer.status = scene->code == 250 ? answer.status : BYTES("4.7.0");
            smtp_server_answer(scene->smtp, &answer);
            continue;
        case SERVER_CHECK_MAIL: smtp_server_answer(scene->smtp, &answer); continue;
        default: return;
        }
    }
}

static void say(struct scene *scene, const char *words)
{
    buf_clear(&scene->heard);
    smtp_server_input(scene->smtp, bytes_of(words), 0, 0);
    run(scene);
    buf_add_byte(&scene->heard, 0);
}

#define heard(scene, words) assert_non_null(strstr((const char *)(scene)->heard.at, words))

static void open(struct scene *scene, bool is_allowed)
{
    *scene = (struct scene){.code = 250};
    buf_init(&scene->heard, 10000);
    buf_init(&scene->asked, 1000);
    scene->smtp = smtp_server_new(&settings, BYTES("10.0.0.1"), 0, 0);
    if (is_allowed)
        smtp_server_allow_xclient(scene->smtp);
    run(scene);
}

static void close(struct scene *scene)
{
    smtp_server_free(scene->smtp);
    buf_done(&scene->heard);
    buf_done(&scene->asked);
}

static void test_the_session_begins_anew(void **state)
{
    struct scene scene;
    open(&scene, true);
    say(&scene, "EHLO proxy.example\r\n");
    heard(&scene, "250-XCLIENT NAME ADDR PORT PROTO HELO\r\n");
    heard(&scene, "greets [10.0.0.1]");
    say(&scene, "XCLIENT NAME=far.example ADDR=IPV6:2001:db8::1\r\n");
    heard(&scene, "220 mx.example ESMTP");
    assert_int_equal(smtp_server_helo(scene.smtp).len, 0);
    say(&scene, "MAIL FROM:<a@far.example>\r\n");
    heard(&scene, "503 5.5.1");
    say(&scene, "EHLO far.example\r\n");
    heard(&scene, "greets [2001:db8::1]");
    say(&scene, "XCLIENT ADDR=[UNAVAILABLE]\r\n");
    say(&scene, "EHLO far.example\r\n");
    heard(&scene, "greets [2001:db8::1]");
    assert_true(bytes_equal(buf_view(&scene.asked), BYTES("2001:db8::1;;")));
    close(&scene);
}

static void test_it_may_be_refused(void **state)
{
    struct scene scene;
    open(&scene, true);
    scene.code = 421;
    say(&scene, "XCLIENT ADDR=192.0.2.1\r\n");
    heard(&scene, "421 4.7.0 ok");
    assert_int_equal(smtp_server_step(scene.smtp), SERVER_CLOSE);
    close(&scene);
}

static void test_not_by_anybody_and_not_at_any_time(void **state)
{
    struct scene scene;
    open(&scene, false);
    say(&scene, "EHLO far.example\r\n");
    assert_null(strstr((const char *)scene.heard.at, "XCLIENT"));
    say(&scene, "XCLIENT ADDR=192.0.2.1\r\n");
    heard(&scene, "550 5.7.0 You may not say that");
    close(&scene);
    open(&scene, true);
    say(&scene, "EHLO proxy.example\r\n");
    say(&scene, "XCLIENT ADDR=nonsense\r\n");
    heard(&scene, "501 5.5.4 ADDR is no address");
    say(&scene, "MAIL FROM:<a@far.example>\r\n");
    say(&scene, "XCLIENT ADDR=192.0.2.1\r\n");
    heard(&scene, "503 5.5.1");
    assert_int_equal(scene.asked.len, 0);
    close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_session_begins_anew),
        cmocka_unit_test(test_it_may_be_refused),
        cmocka_unit_test(test_not_by_anybody_and_not_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
