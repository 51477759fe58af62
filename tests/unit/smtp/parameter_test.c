/* The parameters of MAIL and RCPT; the transcripts of tests/data/smtp/envelope.txt have the refused
 * ones in full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/parameter.h"

enum { WALL = 1000000 };

static const struct smtp_server_settings submission = {
    .role = ROLE_SUBMISSION, .size_limit = 1000, .hold_limit_ms = 100000};
static const struct smtp_server_settings mx = {
    .role = ROLE_MX, .size_limit = 1000, .hold_limit_ms = 100000};
static const struct smtp_server_settings no_hold = {.role = ROLE_SUBMISSION, .size_limit = 1000};

static void mail_parameters_are_judged(void **state)
{
    static const struct {
        const char *name;
        const struct smtp_server_settings *settings;
        struct bytes rest;
        int want;
    } rows[] = {
        {"none", &mx, BYTES_INIT(""), 0},
        {"the largest size", &mx, BYTES_INIT(" SIZE=1000"), 0},
        {"a byte more", &mx, BYTES_INIT(" SIZE=1001"), 552},
        {"no digits", &mx, BYTES_INIT(" SIZE=1k"), 501},
        {"twice, letters of either case", &mx, BYTES_INIT(" SIZE=1 size=1"), 501},
        {"one of RCPT", &mx, BYTES_INIT(" NOTIFY=NEVER"), 555},
        {"not offered to mx", &mx, BYTES_INIT(" BY=5;R"), 555},
        {"offered to submission", &submission, BYTES_INIT(" BY=5;R"), 0},
        {"no holding for mx", &mx, BYTES_INIT(" HOLDFOR=5"), 555},
        {"holding not configured", &no_hold, BYTES_INIT(" HOLDFOR=5"), 555},
        {"the longest hold", &submission, BYTES_INIT(" HOLDFOR=100"), 0},
        {"a second more", &submission, BYTES_INIT(" HOLDFOR=101"), 501},
        {"held and due at once", &submission, BYTES_INIT(" HOLDFOR=60 BY=60;R"), 0},
        {"held longer than due", &submission, BYTES_INIT(" BY=59;R HOLDFOR=60"), 501},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameter_terms terms = {.settings = rows[i].settings, .wall_ms = WALL};
        struct mail_parameters out;
        struct smtp_answer answer = parameters_mail(rows[i].rest, &terms, &out);
        if (answer.code != rows[i].want ||
            (answer.code && (!answer.status.len || !answer.text.len)))
            fail_msg("%s: %d", rows[i].name, answer.code);
    }
}

static void mail_parameters_are_read(void **state)
{
    struct parameter_terms terms = {.settings = &submission, .wall_ms = WALL};
    struct mail_parameters out;
    struct bytes rest = BYTES(" SIZE=7 BODY=BINARYMIME SMTPUTF8 RET=full ENVID=x+2By BY=-3;nt "
                              "HOLDUNTIL=1970-01-01T00:16:41Z");
    /* By an instant past, and held: refused for that alone. */
    assert_int_equal(parameters_mail(rest, &terms, &out).code, 501);
    assert_true(out.declared_size == 7 && out.body == BODY_BINARYMIME && out.is_smtputf8);
    assert_true(out.ret == RET_FULL && bytes_equal(out.envid, BYTES("x+2By")));
    assert_true(out.by_mode == BY_NOTIFY && out.by_trace && out.by_ms == WALL - 3000);
    assert_true(out.hold_until_ms == 1001000);
}

static void rcpt_parameters_are_judged(void **state)
{
    static const struct {
        const char *name;
        bool is_smtputf8;
        struct bytes rest;
        int want;
        uint8_t notify;
    } rows[] = {
        {"none", false, BYTES_INIT(""), 0, 0},
        {"never", false, BYTES_INIT(" NOTIFY=never"), 0, NOTIFY_NEVER},
        {"all but never", false, BYTES_INIT(" NOTIFY=SUCCESS,FAILURE,DELAY"), 0,
         NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY},
        {"never and more", false, BYTES_INIT(" NOTIFY=FAILURE,NEVER"), 501, 0},
        {"an empty item", false, BYTES_INIT(" NOTIFY=,DELAY"), 501, 0},
        {"a recipient", false, BYTES_INIT(" ORCPT=rfc822;ann+2Bx@example.org"), 0, 0},
        {"no type", false, BYTES_INIT(" ORCPT=ann@example.org"), 501, 0},
        {"UTF-8 without SMTPUTF8", false, BYTES_INIT(" ORCPT=utf-8;\xc3\xbc@example.org"), 501, 0},
        {"UTF-8 with it", true, BYTES_INIT(" ORCPT=utf-8;\xc3\xbc@example.org"), 0, 0},
        {"one of MAIL", false, BYTES_INIT(" SIZE=1"), 555, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameter_terms terms = {&mx, WALL, rows[i].is_smtputf8};
        struct rcpt_parameters out;
        struct smtp_answer answer = parameters_rcpt(rows[i].rest, &terms, &out);
        if (answer.code != rows[i].want || (!answer.code && out.notify != rows[i].notify))
            fail_msg("%s: %d", rows[i].name, answer.code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_parameters_are_judged),
        cmocka_unit_test(mail_parameters_are_read),
        cmocka_unit_test(rcpt_parameters_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
