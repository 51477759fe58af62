/* Sockets that a service manager hands over: which is taken for which address, and that an
 * environment that is not for this process hands over none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "daemon/inherited.h"

enum { FIRST_FD = 3 };

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static char path[64];

/* In the place that the next inherited descriptor has. */
static void put(int fd, int number)
{
    if (fd == number)
        return;
    assert_int_equal(dup2(fd, number), number);
    close(fd);
}

static int bind_at(union place *place, int type)
{
    socklen_t size = sizeof *place;
    int fd = socket(place->any.sa_family, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &place->any,
                          place->any.sa_family == AF_INET    ? sizeof place->v4
                          : place->any.sa_family == AF_INET6 ? sizeof place->v6
                                                             : sizeof place->local),
                     0);
    assert_int_equal(getsockname(fd, &place->any, &size), 0);
    return fd;
}

static int listen_at(union place *place)
{
    int fd = bind_at(place, SOCK_STREAM);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void set_environment(const char *pid, const char *count)
{
    char own[16];
    snprintf(own, sizeof own, "%d", (int)getpid());
    setenv("LISTEN_PID", pid ? pid : own, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "a:b", 1);
}

static void test_takes(void **state)
{
    union place v4 = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    union place v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    union place local = {.local.sun_family = AF_UNIX}, datagram = v4, other;
    snprintf(local.local.sun_path, sizeof local.local.sun_path, "%s", path);
    put(listen_at(&v4), FIRST_FD);
    put(listen_at(&v6), FIRST_FD + 1);
    put(listen_at(&local), FIRST_FD + 2);
    put(bind_at(&datagram, SOCK_DGRAM), FIRST_FD + 3);
    set_environment(NULL, "4");
    struct inherited inherited;
    inherited_init(&inherited);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    assert_int_equal(inherited.count, 4);

    assert_true(inherited_has_port(&inherited, ntohs(v4.v4.sin_port)));
    other = v4;
    other.v4.sin_addr.s_addr = htonl(INADDR_ANY);
    assert_int_equal(inherited_take(&inherited, &other.any), -1);
    other = v4;
    other.v4.sin_port ^= 1;
    assert_int_equal(inherited_take(&inherited, &other.any), -1);
    assert_int_equal(inherited_take(&inherited, &datagram.any), -1);
    assert_int_equal(inherited_take(&inherited, &v4.any), FIRST_FD);
    assert_int_equal(fcntl(FIRST_FD, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(FIRST_FD, F_GETFL) & O_NONBLOCK);
    /* Once only. */
    assert_int_equal(inherited_take(&inherited, &v4.any), -1);
    assert_false(inherited_has_port(&inherited, ntohs(v4.v4.sin_port)));
    assert_int_equal(inherited_take(&inherited, &local.any), FIRST_FD + 2);
    assert_true(inherited_has_port(&inherited, ntohs(v6.v6.sin6_port)));
    assert_int_equal(inherited_take(&inherited, &v6.any), FIRST_FD + 1);
    inherited_done(&inherited);
    /* Those that were taken stay, the datagram socket goes. */
    assert_int_equal(close(FIRST_FD), 0);
    assert_int_equal(close(FIRST_FD + 1), 0);
    assert_int_equal(close(FIRST_FD + 2), 0);
    assert_int_equal(fcntl(FIRST_FD + 3, F_GETFD), -1);
    unlink(path);
}

static void test_not_ours(void **state)
{
    static const struct {
        const char *pid, *count;
    } rows[] = {{"1", "1"},   {"", "1"},    {"x", "1"},  {NULL, ""},
                {NULL, "-1"}, {NULL, "1x"}, {NULL, "0"}, {NULL, "4294967296"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct inherited inherited;
        set_environment(rows[i].pid, rows[i].count);
        inherited_init(&inherited);
        assert_int_equal(inherited.count, 0);
        assert_null(getenv("LISTEN_PID"));
        inherited_done(&inherited);
    }
    struct inherited inherited;
    inherited_init(&inherited);
    assert_int_equal(inherited.count, 0);
}

static void test_too_many(void **state)
{
    for (int fd = FIRST_FD; fd < FIRST_FD + INHERITED_LIMIT + 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            assert_int_equal(dup2(0, fd), fd);
    set_environment(NULL, "66");
    struct inherited inherited;
    inherited_init(&inherited);
    assert_int_equal(inherited.count, INHERITED_LIMIT);
    assert_int_equal(fcntl(FIRST_FD + INHERITED_LIMIT + 1, F_GETFD), -1);
    inherited_done(&inherited);
    assert_int_equal(fcntl(FIRST_FD + INHERITED_LIMIT - 1, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_too_many),
    };
    log_init("inherited_test", LOG_ERROR, LOG_LOGFMT);
    snprintf(path, sizeof path, "/tmp/inherited_test.%d", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
