/* What a confined process still can: each row in a process of its own, as nothing of it can be
 * undone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/confine.h"

static char folder[] = "/tmp/confine_test_XXXXXX", inner[64], file[80];

enum { OPENS_FOLDER = 1, LISTS = 2, READS = 4, WRITES = 8 };

/* What of the four works now. */
static int abilities(void)
{
    int result = 0, fd = open(inner, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        result |= OPENS_FOLDER;
        close(fd);
    }
    DIR *names = opendir(inner);
    if (names) {
        result |= readdir(names) ? LISTS : 0;
        closedir(names);
    }
    static const int modes[] = {O_RDONLY, O_WRONLY};
    for (int i = 0; i < 2; i++) {
        fd = open(file, modes[i]);
        if (fd >= 0) {
            result |= i ? WRITES : READS;
            close(fd);
        }
    }
    return result;
}

static void folders_are_as_open_as_the_rules_say(void **state)
{
    const struct {
        const char *name;
        struct confine_rule rule;
        int want;
    } rows[] = {
        {"write", {folder, CONFINE_WRITE}, OPENS_FOLDER | LISTS | READS | WRITES},
        {"read", {folder, CONFINE_READ}, OPENS_FOLDER | LISTS | READS},
        {"list", {folder, CONFINE_LIST}, OPENS_FOLDER | LISTS},
        {"one file", {file, CONFINE_READ_FILE}, READS},
        {"elsewhere", {"/nonexistent", CONFINE_WRITE}, 0},
    };
    enum { NOT_OFFERED = 100, FAILED };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            struct error err;
            switch (confine(&rows[i].rule, 1, &err)) {
            case CONFINED: _exit(abilities());
            case CONFINE_NOT_OFFERED: _exit(NOT_OFFERED);
            case CONFINE_FAILED: _exit(FAILED);
            }
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == NOT_OFFERED)
            skip();
        if (WEXITSTATUS(status) != rows[i].want)
            fail_msg("%s: %d", rows[i].name, WEXITSTATUS(status));
    }
}

static bool can_make(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != EACCES;
}

static void sockets_are_refused(void **state)
{
#if defined(__x86_64__) || defined(__aarch64__)
    static const enum confine_sockets rows[] = {CONFINE_NO_SOCKETS, CONFINE_UNIX_SOCKETS};
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            struct error err;
            if (!confine_network(rows[i], &err))
                _exit(100);
            _exit(can_make(AF_INET) | can_make(AF_INET6) << 1 | can_make(AF_UNIX) << 2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i] == CONFINE_UNIX_SOCKETS ? 4 : 0);
    }
#else
    skip();
#endif
}

static int set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/inner", folder);
    snprintf(file, sizeof file, "%s/file", inner);
    assert_int_equal(mkdir(inner, 0700), 0);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    unlink(file);
    rmdir(inner);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_as_open_as_the_rules_say),
        cmocka_unit_test(sockets_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
