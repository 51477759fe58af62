/* Streams over real loopback sockets: connect, accept, send, back-pressure, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/stream.h"

enum { MUCH = 8 << 20 };

struct scene {
    struct loop *loop;
    struct listener *listener;
    struct stream *client, *server;
    struct buf got; /* what the server received */
    size_t sent, want;
    int ended_os;
    bool is_connected, has_ended;
    char peer[PEER_TEXT];
    uint8_t *much;
};

static void server_input(void *context, struct bytes input)
{
    struct scene *scene = context;
    buf_add(&scene->got, input);
    if (scene->got.len == scene->want)
        loop_stop(scene->loop);
}

static void nothing_writable(void *context)
{
}

static void server_ended(void *context, int os)
{
    struct scene *scene = context;
    scene->has_ended = true;
    scene->ended_os = os;
    loop_stop(scene->loop);
}

static const struct stream_events server_events = {server_input, nothing_writable, server_ended,
                                                   NULL};

static void on_accept(void *context, int fd_owned)
{
    struct scene *scene = context;
    struct error err;
    stream_peer(fd_owned, scene->peer);
    scene->server = stream_open(scene->loop, fd_owned, &server_events, scene, &err);
    assert_non_null(scene->server);
}

static void client_input(void *context, struct bytes input)
{
    fail();
}

static void client_writable(void *context)
{
    struct scene *scene = context;
    scene->is_connected = true;
    struct bytes rest = {scene->much + scene->sent, scene->want - scene->sent};
    scene->sent += stream_send(scene->client, rest);
}

static void client_ended(void *context, int os)
{
    struct scene *scene = context;
    scene->has_ended = true;
    scene->ended_os = os;
    loop_stop(scene->loop);
}

static const struct stream_events client_events = {client_input, client_writable, client_ended,
                                                   NULL};

static struct lookup_address listen_on_loopback(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_return_code(bind(*fd, (struct sockaddr *)&address, len), 0);
    assert_return_code(listen(*fd, 8), 0);
    assert_return_code(getsockname(*fd, (struct sockaddr *)&address, &len), 0);
    struct lookup_address result = {.len = len};
    memcpy(result.storage, &address, len);
    return result;
}

static void begin(struct scene *scene, size_t want)
{
    struct error err;
    *scene = (struct scene){.loop = loop_new(&err), .want = want};
    assert_non_null(scene->loop);
    buf_init(&scene->got, MUCH);
    scene->much = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        scene->much[i] = (uint8_t)(i * 31 + i / 4096);
    int fd;
    struct lookup_address to = listen_on_loopback(&fd);
    scene->listener = listener_open(scene->loop, fd, on_accept, scene, &err);
    assert_non_null(scene->listener);
    scene->client = stream_connect(scene->loop, &to, &client_events, scene, &err);
    assert_non_null(scene->client);
}

static void end(struct scene *scene)
{
    listener_close(scene->listener);
    if (scene->client)
        stream_close(scene->client);
    if (scene->server)
        stream_close(scene->server);
    loop_free(scene->loop);
    buf_done(&scene->got);
    free(scene->much);
}

static void more_than_the_kernel_takes_arrives_whole(void **state)
{
    struct scene scene;
    begin(&scene, MUCH);
    loop_run(scene.loop);
    assert_true(scene.is_connected);
    assert_string_equal(scene.peer, "127.0.0.1");
    assert_true(bytes_equal(buf_view(&scene.got), (struct bytes){scene.much, MUCH}));
    end(&scene);
}

static void the_other_side_hears_of_a_close(void **state)
{
    struct scene scene;
    begin(&scene, 5);
    loop_run(scene.loop);
    stream_close(scene.client);
    scene.client = NULL;
    loop_run(scene.loop);
    assert_true(scene.has_ended);
    assert_int_equal(scene.ended_os, 0);
    end(&scene);
}

/* What came before the reset takes more than one read, and the reset still shows behind it. */
static void a_reset_behind_unread_bytes_is_heard(void **state)
{
    struct scene scene = {.want = SIZE_MAX};
    struct error err;
    int listening;
    struct lookup_address to = listen_on_loopback(&listening);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_return_code(connect(client, (const struct sockaddr *)to.storage, to.len), 0);
    int server = accept(listening, NULL, NULL);
    assert_return_code(server, 0);
    static const uint8_t text[100000];
    size_t sent = 0;
    for (ssize_t more; (more = send(client, text, sizeof text, MSG_DONTWAIT)) > 0;)
        sent += (size_t)more;
    struct linger at_once = {.l_onoff = 1};
    assert_return_code(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(client);
    close(listening);
    scene.loop = loop_new(&err);
    buf_init(&scene.got, sent);
    scene.server = stream_open(scene.loop, server, &server_events, &scene, &err);
    assert_non_null(scene.server);
    loop_run(scene.loop);
    assert_true(scene.has_ended);
    assert_int_equal(scene.ended_os, ECONNRESET);
    assert_true(scene.got.len > 65536);
    stream_close(scene.server);
    loop_free(scene.loop);
    buf_done(&scene.got);
}

static void a_refused_connection_ends_with_its_reason(void **state)
{
    struct scene scene = {.want = 0};
    struct error err;
    scene.loop = loop_new(&err);
    int fd;
    struct lookup_address to = listen_on_loopback(&fd);
    close(fd);
    scene.client = stream_connect(scene.loop, &to, &client_events, &scene, &err);
    if (scene.client) {
        loop_run(scene.loop);
        assert_true(scene.has_ended);
        assert_int_equal(scene.ended_os, ECONNREFUSED);
        stream_close(scene.client);
    } else {
        assert_int_equal(err.os, ECONNREFUSED);
    }
    loop_free(scene.loop);
}

static void a_long_socket_path_is_refused(void **state)
{
    struct error err;
    struct loop *loop = loop_new(&err);
    char path[200];
    memset(path, 'x', sizeof path);
    assert_null(stream_connect_unix(loop, (struct bytes){(uint8_t *)path, sizeof path},
                                    &client_events, NULL, &err));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_the_kernel_takes_arrives_whole),
        cmocka_unit_test(the_other_side_hears_of_a_close),
        cmocka_unit_test(a_reset_behind_unread_bytes_is_heard),
        cmocka_unit_test(a_refused_connection_ends_with_its_reason),
        cmocka_unit_test(a_long_socket_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
