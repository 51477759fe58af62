/* The keeper's process and the client of its channel: signatures by every scheme, keys that are not
 * there, logins, and a keeper that dies. */
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

#include "base/instant.h"
#include "daemon/accounts.h"
#include "daemon/failures.h"
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
    uint8_t signature[KEEPER_BYTES_LIMIT], salt[PASSWORD_SALT];
    char address[64], own[64], reason[128];
    size_t statuses[KEEPER_STATUS_COUNT];
};

static struct config *make_config(void)
{
    struct buf problems;
    buf_init(&problems, 4096);
    static const struct bytes text = BYTES_INIT("hostname: mx.example.org\n"
                                                "listen: [{address: \"127.0.0.1:2525\"}]\n"
                                                "spool: spool\nkeys: keys\naccounts: accounts\n"
                                                "auth: {hash_cost: 1, unbanned: [192.0.2.0/24]}\n");
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
    world->statuses[answer->status]++;
    if (answer->salt.len == sizeof world->salt)
        memcpy(world->salt, answer->salt.at, sizeof world->salt);
    snprintf(world->address, sizeof world->address, "%.*s", BYTES_ARGS(answer->address));
    snprintf(world->reason, sizeof world->reason, "%.*s", BYTES_ARGS(answer->reason));
    struct bytes list = answer->own, own = BYTES_NONE;
    (void)keeper_next_own(&list, &own);
    snprintf(world->own, sizeof world->own, "%.*s", BYTES_ARGS(own));
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

/* --- Accounts --------------------------------------------------------------------------------- */

static void fill_directory(void)
{
    char path[80];
    struct error err;
    struct credentials ann;
    uint8_t digest_of_app[PASSWORD_DIGEST];
    snprintf(path, sizeof path, "%s/accounts", folder);
    struct accounts *accounts = accounts_open(path, &err);
    if (!accounts)
        fail_msg("%s", err.text);
    assert_true(password_derive(BYTES("open sesame"), 1, &ann, &err));
    const struct bytes names[] = {BYTES_INIT("ann@example.org"), BYTES_INIT("gone@example.org"),
                                  BYTES_INIT("apps@example.org")};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(accounts_add(accounts, names[i], i < 2 ? &ann : NULL, 1, &err),
                         ACCOUNTS_DONE);
    assert_int_equal(accounts_set_disabled(accounts, names[1], true, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_set_limits(accounts, names[0], 5, 7, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_grant(accounts, names[0], BYTES("sales@example.org"), &err),
                     ACCOUNTS_DONE);
    password_digest(BYTES("abcde-fghij"), digest_of_app);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(
            accounts_add_app(accounts, names[i], BYTES("phone"), digest_of_app, 1, &err),
            ACCOUNTS_DONE);
    accounts_close(accounts);
}

static void passwords_are_verified(void **state)
{
    const struct {
        const char *name;
        struct bytes user, password;
        enum keeper_status want;
        const char *address, *reason;
    } rows[] = {
        {"right", BYTES_INIT("ann@example.org"), BYTES_INIT("open sesame"), KEEPER_OK,
         "ann@example.org", ""},
        {"capitals in the name", BYTES_INIT("Ann@EXAMPLE.org"), BYTES_INIT("open sesame"),
         KEEPER_OK, "ann@example.org", ""},
        {"another space", BYTES_INIT("ann@example.org"), BYTES_INIT("open\xc2\xa0sesame"),
         KEEPER_OK, "ann@example.org", ""},
        {"wrong", BYTES_INIT("ann@example.org"), BYTES_INIT("open sesam"), KEEPER_NO, "",
         "wrong password"},
        {"no password", BYTES_INIT("ann@example.org"), BYTES_INIT(""), KEEPER_NO, "",
         "wrong password"},
        {"a NUL in it", BYTES_INIT("ann@example.org"), BYTES_INIT("open sesame\0"), KEEPER_NO, "",
         "wrong password"},
        {"nobody", BYTES_INIT("bob@example.org"), BYTES_INIT("open sesame"), KEEPER_NO, "",
         "no such account"},
        {"no name", BYTES_INIT(""), BYTES_INIT("open sesame"), KEEPER_NO, "", "no such account"},
        {"disabled", BYTES_INIT("gone@example.org"), BYTES_INIT("open sesame"), KEEPER_NO, "",
         "the account is disabled"},
        {"app password", BYTES_INIT("ann@example.org"), BYTES_INIT("ABCDE fghij"), KEEPER_OK,
         "ann@example.org", ""},
        {"app password alone", BYTES_INIT("apps@example.org"), BYTES_INIT("abcde-fghij"), KEEPER_OK,
         "apps@example.org", ""},
        {"no password at all", BYTES_INIT("apps@example.org"), BYTES_INIT("open sesame"), KEEPER_NO,
         "", "the account has no password"},
        {"app password, disabled", BYTES_INIT("gone@example.org"), BYTES_INIT("abcde-fghij"),
         KEEPER_NO, "", "wrong password"},
    };
    struct world world;
    open_world(&world, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct keeper_request request = {.kind = KEEPER_VERIFY_PASSWORD,
                                         .user = rows[i].user,
                                         .secret = rows[i].password,
                                         .peer = BYTES("192.0.2.1"),
                                         .mechanism = BYTES("PLAIN")};
        if (ask_and_wait(&world, &request) != rows[i].want ||
            strcmp(world.address, rows[i].address) != 0 ||
            strcmp(world.reason, rows[i].reason) != 0)
            fail_msg("%s: %d %s %s", rows[i].name, world.answer.status, world.address,
                     world.reason);
    }
    close_world(&world);
}

static bool prove(struct world *world, struct bytes user, struct bytes password)
{
    struct bytes message = BYTES("n=ann,r=x,r=xy,s=,i=,c=biws,r=xy");
    uint8_t proof[SCRAM_HASH], signature[SCRAM_HASH];
    struct keeper_request salt = {.kind = KEEPER_SCRAM_SALT, .user = user};
    assert_int_equal(ask_and_wait(world, &salt), KEEPER_OK);
    assert_true(scram_prove(password, (struct bytes){world->salt, sizeof world->salt},
                            world->answer.iterations, message, proof, signature));
    struct keeper_request request = {.kind = KEEPER_SCRAM_PROOF,
                                     .user = user,
                                     .message = message,
                                     .secret = {proof, sizeof proof}};
    bool is_right = ask_and_wait(world, &request) == KEEPER_OK;
    assert_true(!is_right || memcmp(world->signature, signature, sizeof signature) == 0);
    return is_right;
}

/* Whoever has a hash of another cost logs in once, and has one of today's. */
static void hashes_are_renewed(void **state)
{
    char path[80];
    struct error err;
    struct credentials old;
    struct account found;
    struct world world;
    snprintf(path, sizeof path, "%s/accounts", folder);
    struct accounts *accounts = accounts_open(path, &err);
    assert_non_null(accounts);
    assert_true(password_derive(BYTES("open sesame"), 2, &old, &err));
    assert_int_equal(accounts_add(accounts, BYTES("old@example.org"), &old, 1, &err),
                     ACCOUNTS_DONE);
    open_world(&world, NULL);
    struct keeper_request request = {.kind = KEEPER_VERIFY_PASSWORD,
                                     .user = BYTES("old@example.org"),
                                     .secret = BYTES("wrong"),
                                     .peer = BYTES("192.0.2.1")};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_NO);
    assert_int_equal(accounts_find(accounts, request.user, &found, &err), ACCOUNTS_DONE);
    assert_string_equal(found.credentials.hash, old.hash);
    request.secret = BYTES("open sesame");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
        assert_int_equal(accounts_find(accounts, request.user, &found, &err), ACCOUNTS_DONE);
        assert_false(password_costs_the_same(found.credentials.hash, old.hash));
        assert_true(prove(&world, request.user, BYTES("open sesame")));
    }
    close_world(&world);
    accounts_close(accounts);
}

static void an_account_has_its_facts(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request request = {.kind = KEEPER_ACCOUNT, .user = BYTES("ann@example.org")};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_string_equal(world.own, "sales@example.org");
    assert_int_equal(world.answer.messages_per_day, 5);
    assert_int_equal(world.answer.recipients_per_day, 7);
    request.user = BYTES("bob@example.org");
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_NO);
    request.user = BYTES("gone@example.org");
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_NO);
    close_world(&world);
}

static void scram_tells_nobody_who_exists(void **state)
{
    struct world world;
    uint8_t salt[PASSWORD_SALT];
    open_world(&world, NULL);
    assert_true(prove(&world, BYTES("ann@example.org"), BYTES("open sesame")));
    assert_false(prove(&world, BYTES("ann@example.org"), BYTES("open sesam")));
    assert_false(prove(&world, BYTES("gone@example.org"), BYTES("open sesame")));
    assert_false(prove(&world, BYTES("bob@example.org"), BYTES("open sesame")));
    struct keeper_request request = {.kind = KEEPER_SCRAM_SALT, .user = BYTES("bob@example.org")};
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    memcpy(salt, world.salt, sizeof salt);
    close_world(&world);
    /* The same after a restart, and for the same name written otherwise. */
    open_world(&world, NULL);
    request.user = BYTES("BOB@example.org");
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_memory_equal(salt, world.salt, sizeof salt);
    request.user = BYTES("bob2@example.org");
    assert_int_equal(ask_and_wait(&world, &request), KEEPER_OK);
    assert_memory_not_equal(salt, world.salt, sizeof salt);
    close_world(&world);
}

/* What is over is refused at once, one network cannot take the place of others, and signatures
 * wait for none of them. */
static void a_flood_of_logins_is_bounded(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request login = {.kind = KEEPER_VERIFY_PASSWORD,
                                   .user = BYTES("ann@example.org"),
                                   .secret = BYTES("guess"),
                                   .mechanism = BYTES("PLAIN")};
    char peer[32];
    for (int i = 0; i < 500; i++) {
        snprintf(peer, sizeof peer, "192.0.2.%d", i % 256);
        login.peer = bytes_of(peer);
        ask(&world, &login);
    }
    login.peer = BYTES("198.51.100.1");
    login.secret = BYTES("open sesame");
    ask(&world, &login);
    struct keeper_request sign = {
        .kind = KEEPER_SIGN, .scheme = KEEPER_ED25519, .user = bytes_of(ed_path), .secret = digest};
    ask(&world, &sign);
    loop_run(world.loop);
    assert_int_equal(world.statuses[KEEPER_OK], 2);
    assert_true(world.statuses[KEEPER_BUSY] > 0 && world.statuses[KEEPER_NO] > 0);
    assert_int_equal(world.statuses[KEEPER_BUSY] + world.statuses[KEEPER_NO], 500);
    close_world(&world);
}

static void never(void *context, const struct keeper_answer *answer)
{
    fail();
}

/* --- Bans ------------------------------------------------------------------------------------- */

static enum keeper_status log_in_from(struct world *world, const char *peer)
{
    struct keeper_request request = {.kind = KEEPER_VERIFY_PASSWORD,
                                     .user = BYTES("ann@example.org"),
                                     .secret = BYTES("open sesame"),
                                     .peer = bytes_of(peer),
                                     .mechanism = BYTES("PLAIN")};
    return ask_and_wait(world, &request);
}

static void lift(const char *key)
{
    char path[80];
    struct error err;
    uint64_t count;
    snprintf(path, sizeof path, "%s/accounts", folder);
    struct failures *failures = failures_open(path, &err);
    assert_non_null(failures);
    assert_true(failures_lift(failures, bytes_of(key), &count, &err));
    assert_int_equal(count, 1);
    failures_close(failures);
}

static void on_guess(void *context, const struct keeper_answer *answer)
{
    assert_true(answer->status == KEEPER_NO || answer->status == KEEPER_BANNED);
}

/* Answers to failures come late, so nobody waits for them here. */
static void guessers_are_banned_until_they_are_not(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request guess = {.kind = KEEPER_SCRAM_PROOF,
                                   .user = BYTES("ann@example.org"),
                                   .peer = BYTES("203.0.113.1"),
                                   .mechanism = BYTES("SCRAM-SHA-256")};
    assert_int_equal(log_in_from(&world, "203.0.113.1"), KEEPER_OK);
    for (int i = 0; i < 15; i++)
        (void)keeper_ask(world.client, &guess, on_guess, NULL);
    assert_int_equal(log_in_from(&world, "203.0.113.1"), KEEPER_BANNED);
    assert_int_equal(log_in_from(&world, "203.0.113.2"), KEEPER_OK);
    guess.kind = KEEPER_SCRAM_SALT;
    assert_int_equal(ask_and_wait(&world, &guess), KEEPER_BANNED);
    close_world(&world);
    /* Still so after a restart, until it is lifted. */
    open_world(&world, NULL);
    assert_int_equal(log_in_from(&world, "203.0.113.1"), KEEPER_BANNED);
    lift("203.0.113.1");
    enum keeper_status status = KEEPER_BANNED;
    for (int i = 0; i < 20000 && status == KEEPER_BANNED; i++) {
        status = log_in_from(&world, "203.0.113.1");
        usleep(1000);
    }
    assert_int_equal(status, KEEPER_OK);
    close_world(&world);
}

static void a_refusal_comes_late(void **state)
{
    struct world world;
    open_world(&world, NULL);
    struct keeper_request guess = {.kind = KEEPER_SCRAM_PROOF,
                                   .user = BYTES("ann@example.org"),
                                   .peer = BYTES("198.51.100.77"),
                                   .mechanism = BYTES("SCRAM-SHA-256")};
    int64_t begun_ms = instant_steady_ms();
    assert_int_equal(ask_and_wait(&world, &guess), KEEPER_NO);
    assert_true(instant_steady_ms() - begun_ms >= 250);
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
    fill_directory();
    return 0;
}

static int tear_down(void **state)
{
    const char *const paths[] = {rsa_path, ec_path, ed_path, password_path};
    char path[80];
    for (size_t i = 0; i < COUNT(paths); i++)
        unlink(paths[i]);
    static const char *const names[] = {"accounts/accounts.db",
                                        "accounts/accounts.db-wal",
                                        "accounts/accounts.db-shm",
                                        "accounts/failures.db",
                                        "accounts/failures.db-wal",
                                        "accounts/failures.db-shm",
                                        "accounts",
                                        "keys"};
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
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
        cmocka_unit_test(passwords_are_verified),
        cmocka_unit_test(hashes_are_renewed),
        cmocka_unit_test(an_account_has_its_facts),
        cmocka_unit_test(scram_tells_nobody_who_exists),
        cmocka_unit_test(a_flood_of_logins_is_bounded),
        cmocka_unit_test(guessers_are_banned_until_they_are_not),
        cmocka_unit_test(a_refusal_comes_late),
        cmocka_unit_test(many_at_once_are_all_answered),
        cmocka_unit_test(a_cancelled_question_has_no_answer),
        cmocka_unit_test(a_dead_keeper_is_never_a_refusal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
