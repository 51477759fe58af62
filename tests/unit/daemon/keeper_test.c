/* The keeper's process and the client of its channel: signatures by every scheme, keys that are not
 * there, and a keeper that dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <cmocka.h>

#include "daemon/child.h"
#include "daemon/keeper_client.h"

static char folder[] = "/tmp/keeper_test_XXXXXX";

/* A keeper as the supervisor would start it, and a client of it. */
struct world {
    pid_t pid;
    int orders;
    struct loop *loop;
    struct keeper_client *client;
    size_t waiting;
    struct keeper_answer answer; /* of the newest, but for its texts */
    uint8_t signature[KEEPER_BYTES_LIMIT];
};

static struct config *make_config(void)
{
    struct buf problems;
    buf_init(&problems, 4096);
    static const struct bytes text = BYTES_INIT("hostname: mx.example.org\n"
                                                "listen: [{address: \"127.0.0.1:2525\"}]\n"
                                                "spool: spool\nkeys: keys\naccounts: accounts\n"
                                                "auth: {hash_cost: 1}\n");
    struct config *config = config_parse(text, "test", folder, &problems);
    if (!config)
        fail_msg("%.*s", BYTES_ARGS(buf_view(&problems)));
    buf_done(&problems);
    return config;
}

static _Noreturn void be_keeper(int orders, const char *secret)
{
    struct child child = {.role = CHILD_KEEPER,
                          .name = "keeper",
                          .supervisor_fd = orders,
                          .control_fd = -1,
                          .keeper_fd = -1,
                          .token_fd = -1};
    child.config = make_config();
    if (secret) {
        int fd = open(secret, O_RDONLY | O_CLOEXEC);
        child.secrets[child.secret_count++] = (struct child_secret){strdup(secret), fd, errno};
    }
    _exit(keeper_main(&child));
}

static void start_keeper(struct world *world, const char *secret)
{
    int orders[2];
    struct error err;
    assert_true(ipc_pair(orders, &err));
    world->pid = fork();
    assert_true(world->pid >= 0);
    if (world->pid == 0) {
        close(orders[0]);
        be_keeper(orders[1], secret);
    }
    close(orders[1]);
    world->orders = orders[0];
}

static void join(struct world *world)
{
    int fds[2];
    struct error err;
    assert_true(ipc_pair(fds, &err));
    struct ipc_message message = {.type = IPC_PEER, .fd = fds[1]};
    assert_true(ipc_send(world->orders, &message, &err));
    close(fds[1]);
    assert_true(keeper_client_join(world->client, fds[0], &err));
}

static void end_keeper(struct world *world)
{
    int status;
    close(world->orders);
    assert_int_equal(waitpid(world->pid, &status, 0), world->pid);
}

static void open_world(struct world *world, const char *secret)
{
    struct error err;
    *world = (struct world){.pid = 0};
    start_keeper(world, secret);
    world->loop = loop_new(&err);
    assert_non_null(world->loop);
    world->client = keeper_client_new(world->loop);
    join(world);
}

static void close_world(struct world *world)
{
    keeper_client_free(world->client);
    loop_free(world->loop);
    end_keeper(world);
}

static void on_answer(void *context, const struct keeper_answer *answer)
{
    struct world *world = context;
    world->answer = *answer;
    if (answer->signature.len)
        memcpy(world->signature, answer->signature.at, answer->signature.len);
    world->answer.signature.at = world->signature;
    if (--world->waiting == 0)
        loop_stop(world->loop);
}

static void ask(struct world *world, const struct keeper_request *request)
{
    world->waiting++;
    assert_non_null(keeper_ask(world->client, request, on_answer, world));
}

static enum keeper_status ask_and_wait(struct world *world, const struct keeper_request *request)
{
    ask(world, request);
    loop_run(world->loop);
    return world->answer.status;
}

/* --- Keys ------------------------------------------------------------------------------------- */

static char rsa_path[64], ec_path[64], ed_path[64], password_path[64];

static EVP_PKEY *write_key(EVP_PKEY *key, char path[64], const char *name)
{
    snprintf(path, 64, "%s/keys/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    return key;
}

static bool verify_digest(EVP_PKEY *key, int padding, struct bytes signature, struct bytes digest)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool is_good =
        EVP_PKEY_verify_init(context) == 1 &&
        (!padding || EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1) &&
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
        EVP_PKEY_verify(context, signature.at, signature.len, digest.at, digest.len) == 1;
    EVP_PKEY_CTX_free(context);
    return is_good;
}

static bool verify_message(EVP_PKEY *key, struct bytes signature, struct bytes message)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good =
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestVerify(context, signature.at, signature.len, message.at, message.len) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

static EVP_PKEY *rsa, *ec, *ed;
static uint8_t digest_room[SHA256_DIGEST_LENGTH];
static const struct bytes digest = {digest_room, sizeof digest_room};

static void every_scheme_signs(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request request = {.kind = KEEPER_SIGN, .secret = digest};
    request.user = bytes_of(rsa_path);
    request.scheme = KEEPER_RSA_PKCS1;
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_digest(rsa, RSA_PKCS1_PADDING, world.answer.signature, digest));
    request.scheme = KEEPER_RSA_PSS;
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_digest(rsa, RSA_PKCS1_PSS_PADDING, world.answer.signature, digest));
    request.user = bytes_of(ec_path);
    request.scheme = KEEPER_ECDSA;
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_digest(ec, 0, world.answer.signature, digest));
    request.user = bytes_of(ed_path);
    request.scheme = KEEPER_ED25519;
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_message(ed, world.answer.signature, digest));
    close_world(&world);
}

/* What signs a DigestInfo, or a block that it has padded itself, gets the same bytes. */
static void encoded_and_raw_are_the_same(void **state)
{
    static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    uint8_t info[sizeof prefix + SHA256_DIGEST_LENGTH], block[256];
    struct world world;
    memcpy(info, prefix, sizeof prefix);
    memcpy(info + sizeof prefix, digest_room, sizeof digest_room);
    memset(block, 0xff, sizeof block);
    block[0] = 0;
    block[1] = 1;
    block[sizeof block - sizeof info - 1] = 0;
    memcpy(block + sizeof block - sizeof info, info, sizeof info);
    open_world(&world, NULL);
    struct keeper_request request = {.kind = KEEPER_SIGN,
                                     .scheme = KEEPER_RSA_ENCODED,
                                     .user = bytes_of(rsa_path),
                                     .secret = {info, sizeof info}};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_digest(rsa, RSA_PKCS1_PADDING, world.answer.signature, digest));
    request.scheme = KEEPER_RSA_RAW;
    request.secret = (struct bytes){block, sizeof block};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(verify_digest(rsa, RSA_PKCS1_PADDING, world.answer.signature, digest));
    close_world(&world);
}

static void what_is_no_key_is_refused(void **state)
{
    char outside[80], missing[80];
    snprintf(outside, sizeof outside, "%s/keys/../keys/rsa", folder);
    snprintf(missing, sizeof missing, "%s/keys/none", folder);
    const struct {
        const char *name, *key;
        enum keeper_scheme scheme;
        struct bytes secret;
    } rows[] = {
        {"another kind", ec_path, KEEPER_RSA_PKCS1, digest},
        {"a short digest", rsa_path, KEEPER_RSA_PKCS1, BYTES_INIT("short")},
        {"a short block", rsa_path, KEEPER_RSA_RAW, BYTES_INIT("short")},
        {"no file", missing, KEEPER_RSA_PKCS1, digest},
        {"not in the folder", outside, KEEPER_RSA_PKCS1, digest},
        {"elsewhere", "/etc/passwd", KEEPER_RSA_PKCS1, digest},
        {"no name", "", KEEPER_RSA_PKCS1, digest},
        {"no key in it", password_path, KEEPER_RSA_PKCS1, digest},
    };
    struct world world;
    open_world(&world, password_path);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct keeper_request request = {.kind = KEEPER_SIGN,
                                         .scheme = rows[i].scheme,
                                         .user = bytes_of(rows[i].key),
                                         .secret = rows[i].secret};
        if (ask_and_wait(&world, &request) != KEEPER_NO)
            fail_msg("%s: answered %d", rows[i].name, world.answer.status);
    }
    close_world(&world);
}

static void public_halves_and_credentials_are_told(void **state)
{
    struct world world;
    open_world(&world, password_path);
    struct keeper_request request = {.kind = KEEPER_PUBLIC_KEY, .user = bytes_of(ec_path)};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    const uint8_t *at = world.signature;
    EVP_PKEY *got = d2i_PUBKEY(NULL, &at, (long)world.answer.signature.len);
    assert_int_equal(EVP_PKEY_eq(got, ec), 1);
    EVP_PKEY_free(got);
    request = (struct keeper_request){.kind = KEEPER_CREDENTIAL, .user = bytes_of(password_path)};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_true(bytes_equal(world.answer.signature, BYTES("open sesame")));
    request.user = bytes_of("/etc/passwd");
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_NO);
    close_world(&world);
}

/* --- Its life --------------------------------------------------------------------------------- */

static void many_at_once_are_all_answered(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request request = {
        .kind = KEEPER_SIGN, .scheme = KEEPER_ED25519, .user = bytes_of(ed_path), .secret = digest};
    for (size_t i = 0; i < 2000; i++)
        ask(&world, &request);
    loop_run(world.loop);
    assert_int_equal(world.waiting, 0);
    assert_int_equal(world.answer.status, KEEPER_OK);
    close_world(&world);
}

static void never(void *context, const struct keeper_answer *answer)
{
    fail();
}

static void a_cancelled_question_has_no_answer(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request request = {
        .kind = KEEPER_SIGN, .scheme = KEEPER_ED25519, .user = bytes_of(ed_path), .secret = digest};
    keeper_cancel(keeper_ask(world.client, &request, never, NULL));
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    (void)keeper_ask(world.client, &request, never, NULL); /* dropped with the client */
    keeper_cancel(NULL);
    assert_null(keeper_ask(NULL, &request, never, NULL));
    close_world(&world);
}

static void a_dead_keeper_is_never_a_refusal(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request request = {
        .kind = KEEPER_SIGN, .scheme = KEEPER_ED25519, .user = bytes_of(ed_path), .secret = digest};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_int_equal(kill(world.pid, SIGSTOP), 0);
    ask(&world, &request);
    assert_int_equal(kill(world.pid, SIGKILL), 0);
    loop_run(world.loop);
    assert_int_equal(world.answer.status, KEEPER_UNAVAILABLE);
    end_keeper(&world);
    /* Asked while there is none: the next one answers. */
    ask(&world, &request);
    start_keeper(&world, NULL);
    join(&world);
    loop_run(world.loop);
    assert_int_equal(world.answer.status, KEEPER_OK);
    close_world(&world);
}

static int set_up(void **state)
{
    char path[80];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i ? "keys" : "accounts");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    rsa = write_key(EVP_RSA_gen(2048), rsa_path, "rsa");
    ec = write_key(EVP_EC_gen("P-256"), ec_path, "ec");
    ed = write_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), ed_path, "ed");
    snprintf(password_path, sizeof password_path, "%s/password", folder);
    FILE *file = fopen(password_path, "w");
    assert_non_null(file);
    fputs("open sesame\r\nand more\n", file);
    fclose(file);
    SHA256((const uint8_t *)"abc", 3, digest_room);
    return 0;
}

static int tear_down(void **state)
{
    const char *const paths[] = {rsa_path, ec_path, ed_path, password_path};
    char path[80];
    for (size_t i = 0; i < COUNT(paths); i++)
        unlink(paths[i]);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i ? "keys" : "accounts");
        rmdir(path);
    }
    rmdir(folder);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    return 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheme_signs),
        cmocka_unit_test(encoded_and_raw_are_the_same),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(public_halves_and_credentials_are_told),
        cmocka_unit_test(many_at_once_are_all_answered),
        cmocka_unit_test(a_cancelled_question_has_no_answer),
        cmocka_unit_test(a_dead_keeper_is_never_a_refusal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
