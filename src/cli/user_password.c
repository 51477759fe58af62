#include "cli/user_password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "daemon/password.h"
#include "mail/precis.h"

static bool say(const char *what)
{
    fprintf(stderr, "postrider: %s\n", what);
    return false;
}

/* May the next byte be read? False: one of the signals has come. signals: a descriptor, or -1. */
static bool wait_for_input(int signals)
{
    struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    while (poll(both, COUNT(both), -1) < 0)
        if (errno != EINTR)
            return false;
    return both[1].revents == 0;
}

/* One line of standard input, without its end. False: there is none, it is too long, or one of the
 * signals has come. */
static bool read_line(struct buf *out, int signals)
{
    uint8_t byte = 0;
    ssize_t got = -1;
    while (wait_for_input(signals) && (got = read(STDIN_FILENO, &byte, 1)) == 1 && byte != '\n')
        buf_add_byte(out, byte);
    if (out->len && out->at[out->len - 1] == '\r')
        out->len--;
    return (got == 0 || byte == '\n') && !out->overflowed;
}

/* Asks on the terminal, which shows nothing meanwhile. */
static bool prompt_silently(const char *question, struct buf *out, int signals)
{
    struct termios usual, silent;
    if (tcgetattr(STDIN_FILENO, &usual) != 0)
        return false;
    silent = usual;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* What is typed once the question is there is neither shown nor lost. */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0)
        return false;
    fputs(question, stderr);
    bool is_good = read_line(out, signals);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
    fputc('\n', stderr);
    return is_good;
}

/* The same; who interrupts it gets back a terminal that shows what is typed. */
static bool prompt(const char *question, struct buf *out)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
    sigset_t wanted, before;
    sigemptyset(&wanted);
    for (size_t i = 0; i < COUNT(numbers); i++)
        sigaddset(&wanted, numbers[i]);
    int signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (signals < 0)
        return false;
    sigprocmask(SIG_BLOCK, &wanted, &before);
    bool is_good = prompt_silently(question, out, signals);
    close(signals);
    /* Now those that have come are obeyed. */
    sigprocmask(SIG_SETMASK, &before, NULL);
    return is_good;
}

static void init(struct buf *buf)
{
    buf_init(buf, PRECIS_LIMIT);
    /* So that it never moves, and leaves nothing behind. */
    (void)buf_reserve(buf, PRECIS_LIMIT);
}

void user_password_done(struct buf *password)
{
    if (password->at)
        OPENSSL_cleanse(password->at, password->cap);
    buf_done(password);
}

static bool prompt_twice(struct buf *raw)
{
    struct buf again;
    init(&again);
    bool is_good = prompt("New password: ", raw) && prompt("The same again: ", &again);
    if (!is_good)
        say("no password was read");
    else if (!bytes_equal(buf_view(raw), buf_view(&again)))
        is_good = say("the two are not the same; nothing was changed");
    user_password_done(&again);
    return is_good;
}

static bool read_password(const struct options *options, struct buf *raw)
{
    if (options->is_password_stdin)
        return read_line(raw, -1) || say("no password was read from standard input");
    if (!isatty(STDIN_FILENO))
        return say("there is no terminal to ask for a password; give it by --password-stdin, or "
                   "have one made by --generate");
    return prompt_twice(raw);
}

bool user_password(const struct options *options, struct buf *out, bool *is_new)
{
    struct buf raw;
    init(out);
    *is_new = options->is_generated != NULL;
    if (*is_new) {
        password_generate(out);
        return true;
    }
    init(&raw);
    bool is_good = read_password(options, &raw);
    if (is_good && (!precis_password(out, buf_view(&raw)) || out->len > PASSWORD_LIMIT))
        is_good = say("a password has 1 to 500 bytes of UTF-8, without control characters");
    user_password_done(&raw);
    if (!is_good)
        user_password_done(out);
    return is_good;
}

bool user_password_ask(const char *user, bool is_from_stdin, struct buf *out)
{
    struct buf question;
    init(out);
    if (is_from_stdin) {
        if (read_line(out, -1) && out->len)
            return true;
        user_password_done(out);
        return say("no password was read from standard input");
    }
    if (!isatty(STDIN_FILENO)) {
        user_password_done(out);
        return say("there is no terminal to ask for a password; give it by --password-stdin");
    }
    buf_init(&question, 512);
    buf_addf(&question, "Password of %.400s: ", user);
    buf_add_byte(&question, 0);
    bool is_good = prompt((const char *)question.at, out) && out->len;
    buf_done(&question);
    if (is_good)
        return true;
    user_password_done(out);
    return say("no password was read");
}
