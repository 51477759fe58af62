/* Packets between the processes: whole, with their descriptor, and nothing taken for one that is
 * none. Also what rests on shared memory and files alone: the sync token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "daemon/ipc.h"
#include "daemon/token.h"

static uint8_t buffer[IPC_PAYLOAD_LIMIT];

static void open_pair(int fds[2])
{
    struct error err;
    assert_true(ipc_pair(fds, &err));
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
}

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void messages_arrive(void **state)
{
    static uint8_t large[IPC_PAYLOAD_LIMIT];
    const struct bytes payloads[] = {BYTES_NONE, BYTES_INIT("a\0b"), {large, sizeof large}};
    int fds[2];
    struct error err;
    struct ipc_message got;
    memset(large, 'x', sizeof large);
    open_pair(fds);
    assert_int_equal(ipc_receive(fds[1], buffer, &got, &err), IPC_AGAIN);
    for (size_t i = 0; i < COUNT(payloads); i++) {
        struct ipc_message sent = {
            .type = IPC_REQUEST, .number = (uint32_t)i + 7, .payload = payloads[i], .fd = -1};
        assert_true(ipc_send(fds[0], &sent, &err));
        assert_int_equal(ipc_receive(fds[1], buffer, &got, &err), IPC_GOT);
        assert_int_equal(got.type, IPC_REQUEST);
        assert_int_equal(got.number, i + 7);
        assert_int_equal(got.fd, -1);
        assert_true(bytes_equal(got.payload, payloads[i]));
    }
    close(fds[0]);
    assert_int_equal(ipc_receive(fds[1], buffer, &got, &err), IPC_GONE);
    close(fds[1]);
}

static void descriptors_ride_along(void **state)
{
    int fds[2], ends[2];
    struct error err;
    struct ipc_message got;
    char byte = 0;
    open_pair(fds);
    assert_int_equal(pipe(ends), 0);
    assert_true(ipc_send(fds[0], &(struct ipc_message){.type = IPC_LISTENER, .fd = ends[1]}, &err));
    close(ends[1]);
    assert_int_equal(ipc_receive(fds[1], buffer, &got, &err), IPC_GOT);
    assert_true(got.fd >= 0);
    assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(got.fd, "y", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(got.fd);
    close(ends[0]);
    close_pair(fds);
}

static void a_slow_side_is_eagain(void **state)
{
    int fds[2];
    struct error err = {0};
    struct ipc_message message = {.type = IPC_STOP, .fd = -1};
    open_pair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    size_t sent = 0;
    while (ipc_send(fds[0], &message, &err))
        sent++;
    assert_true(sent > 0);
    assert_int_equal(err.os, EAGAIN);
    close_pair(fds);
}

/* --- What is no packet ------------------------------------------------------------------------ */

static void send_raw(int fd, const void *at, size_t len, const int *passed, size_t count)
{
    struct iovec part = {(void *)(uintptr_t)at, len};
    char room[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        packet.msg_control = room;
        packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        *rights = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), passed, count * sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &packet, 0), len);
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void broken_packets_are_refused(void **state)
{
    static uint8_t too_long[8 + IPC_PAYLOAD_LIMIT + 1] = {IPC_STOP};
    const uint32_t unknown[2] = {99, 0}, zero[2] = {0, 0}, good[2] = {IPC_STOP, 0};
    const int passed[3] = {0, 1, 2};
    const struct {
        const char *name;
        const void *at;
        size_t len, descriptors;
    } rows[] = {
        {"short", good, 7, 0},
        {"short with descriptor", good, 7, 1},
        {"unknown type", unknown, 8, 1},
        {"type 0", zero, 8, 0},
        {"too long", too_long, sizeof too_long, 1},
        {"several descriptors", good, 8, 3},
    };
    int fds[2];
    struct error err;
    struct ipc_message got;
    open_pair(fds);
    size_t before = count_descriptors();
    for (size_t i = 0; i < COUNT(rows); i++) {
        send_raw(fds[0], rows[i].at, rows[i].len, passed, rows[i].descriptors);
        if (ipc_receive(fds[1], buffer, &got, &err) != IPC_BROKEN)
            fail_msg("%s: taken", rows[i].name);
        if (count_descriptors() != before)
            fail_msg("%s: a descriptor stays open", rows[i].name);
    }
    assert_true(ipc_send(fds[0], &(struct ipc_message){.type = IPC_STOP, .fd = -1}, &err));
    assert_int_equal(ipc_receive(fds[1], buffer, &got, &err), IPC_GOT);
    close_pair(fds);
}

/* --- The sync token --------------------------------------------------------------------------- */

static void a_dead_holder_gives_the_token_back(void **state)
{
    struct error err;
    int fd = token_make(&err), status;
    assert_true(fd >= 0);
    struct token *token = token_map(fd, &err);
    assert_non_null(token);
    token_take(token);
    token_give(token);
    pid_t pid = fork();
    if (pid == 0) {
        token_take(token);
        _exit(0); /* without giving it back */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    token_take(token);
    token_give(token);
    token_take(token);
    token_give(token);
    token_unmap(token);
    close(fd);
}

/* --- The log --------------------------------------------------------------------------------- */

static void keep_line(void *context, int64_t instant_ms, struct bytes line)
{
    buf_add(context, line);
}

/* `trace` reads logfmt, whatever goes to standard error. */
static void a_sink_gets_logfmt(void **state)
{
    struct buf line;
    buf_init(&line, 4096);
    log_init("test", LOG_INFO, LOG_JSON);
    log_set_sink(keep_line, &line);
    log_info("sink-test", LOG_TEXT("reason", "two words"));
    log_set_sink(NULL, NULL);
    log_init("test", LOG_INFO, LOG_LOGFMT);
    assert_true(bytes_starts(buf_view(&line), BYTES("time=2")));
    assert_true(bytes_ends_nocase(
        buf_view(&line), BYTES(" level=info process=test event=sink-test reason=\"two words\"")));
    buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive),
        cmocka_unit_test(descriptors_ride_along),
        cmocka_unit_test(a_slow_side_is_eagain),
        cmocka_unit_test(broken_packets_are_refused),
        cmocka_unit_test(a_dead_holder_gives_the_token_back),
        cmocka_unit_test(a_sink_gets_logfmt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
