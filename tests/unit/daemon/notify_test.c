/* What a service manager is told, by a socket of the file system and by an abstract one; and that
 * nothing is said where the environment makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/instant.h"
#include "daemon/notify.h"

/* A manager's socket; name[0] '@': abstract. */
static int listen_at(const char *name)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(place.sun_path, name, len);
    if (name[0] == '@')
        place.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&place,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static const char *hear(int fd)
{
    static char text[2000];
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = 0;
    return text;
}

static void check_speaks(const char *name)
{
    char text[1200];
    struct notify notify;
    int fd = listen_at(name);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_init(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_send(&notify, "READY=1\nSTATUS=%s", "Serving");
    assert_string_equal(hear(fd), "READY=1\nSTATUS=Serving");
    notify_reloading(&notify);
    assert_int_equal(strncmp(hear(fd), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    notify_send(&notify, "STATUS=%s", text);
    assert_int_equal(strlen(hear(fd)), 1000);
    notify_watchdog(&notify, INT64_MAX - 1);
    assert_string_equal(hear(fd), "");
    close(fd);
}

static void test_speaks(void **state)
{
    char path[64], name[64];
    snprintf(path, sizeof path, "/tmp/notify_test.%d", (int)getpid());
    snprintf(name, sizeof name, "@notify_test.%d", (int)getpid());
    check_speaks(path);
    unlink(path);
    check_speaks(name);
}

static void test_is_silent(void **state)
{
    char too_long[200];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = 0;
    const char *const rows[] = {NULL, "", "/", "@", "relative", "vsock:2:1234", too_long};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct notify notify;
        if (rows[i])
            setenv("NOTIFY_SOCKET", rows[i], 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        notify_init(&notify);
        assert_int_equal(notify.place_len, 0);
        assert_true(notify.due_ms == INT64_MAX);
        notify_send(&notify, "READY=1");
    }
}

static void test_watchdog(void **state)
{
    char name[64], own[16];
    snprintf(name, sizeof name, "@notify_test.%d", (int)getpid());
    snprintf(own, sizeof own, "%d", (int)getpid());
    const struct {
        const char *us, *pid;
        int64_t period_ms;
    } rows[] = {
        {NULL, NULL, 0},
        {"3000000", NULL, 1500},
        {"3000000", own, 1500},
        {"3000000", "1", 0},
        {"3000000", "x", 0},
        {"-1", NULL, 0},
        {"99999999999999999999", NULL, 0},
        {"0", own, 0},
        {"1", own, 0},
    };
    int fd = listen_at(name);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct notify notify;
        int64_t before_ms = instant_steady_ms();
        setenv("NOTIFY_SOCKET", name, 1);
        if (rows[i].us)
            setenv("WATCHDOG_USEC", rows[i].us, 1);
        if (rows[i].pid)
            setenv("WATCHDOG_PID", rows[i].pid, 1);
        notify_init(&notify);
        assert_null(getenv("WATCHDOG_USEC"));
        assert_null(getenv("WATCHDOG_PID"));
        assert_int_equal(notify.period_ms, rows[i].period_ms);
        if (!rows[i].period_ms) {
            assert_true(notify.due_ms == INT64_MAX);
            continue;
        }
        assert_true(notify.due_ms >= before_ms);
        int64_t now_ms = notify.due_ms;
        notify_watchdog(&notify, now_ms);
        assert_string_equal(hear(fd), "WATCHDOG=1");
        notify_watchdog(&notify, now_ms + 1499);
        assert_string_equal(hear(fd), "");
        notify_watchdog(&notify, now_ms + 1500);
        assert_string_equal(hear(fd), "WATCHDOG=1");
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_speaks),
        cmocka_unit_test(test_is_silent),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
