#include "cli/init_ask.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_LIMIT = 512 };

bool init_ask_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* One line, without spaces around it; the default for an empty one. False: no more input. */
static bool ask(const char *question, const char *usual, char answer[ANSWER_LIMIT])
{
    size_t len = 0;
    char byte;
    ssize_t got;
    if (usual && usual[0])
        fprintf(stderr, "%s [%s]: ", question, usual);
    else
        fprintf(stderr, "%s: ", question);
    while ((got = read(STDIN_FILENO, &byte, 1)) == 1 && byte != '\n')
        if (len < ANSWER_LIMIT - 1)
            answer[len++] = byte;
    if (got != 1) {
        fputc('\n', stderr);
        return false;
    }
    struct bytes text = bytes_trim((struct bytes){(const uint8_t *)answer, len});
    memmove(answer, text.at, text.len);
    answer[text.len] = 0;
    if (!answer[0] && usual)
        snprintf(answer, ANSWER_LIMIT, "%s", usual);
    return true;
}

typedef bool setter(struct init_plan *plan, const char *text, struct error *err);

/* Asks until the answer will do. Where it may stay empty, that sets nothing. */
static bool ask_and_set(const char *question, const char *usual, bool may_be_empty,
                        struct init_plan *plan, setter *set)
{
    char answer[ANSWER_LIMIT];
    struct error err;
    while (ask(question, usual, answer)) {
        if (!answer[0] && may_be_empty)
            return true;
        if (set(plan, answer, &err))
            return true;
        fprintf(stderr, "  %s.\n", err.text);
    }
    return false;
}

bool init_ask_yes(const char *question, bool is_default, bool *out)
{
    char answer[ANSWER_LIMIT];
    while (ask(question, is_default ? "yes" : "no", answer)) {
        struct bytes text = bytes_of(answer);
        *out = bytes_equal_nocase(text, BYTES("yes")) || bytes_equal_nocase(text, BYTES("y"));
        if (*out || bytes_equal_nocase(text, BYTES("no")) || bytes_equal_nocase(text, BYTES("n")))
            return true;
        fprintf(stderr, "  yes or no.\n");
    }
    return false;
}

/* --- Names -------------------------------------------------------------------------------------
 */

/* "example.org" of "mx.example.org": what is in front of it must be a label of one host. */
static void guess_domain(const struct init_look *look, char out[HOST_NAME_LIMIT + 1])
{
    const char *dot = strchr(look->fqdn, '.');
    out[0] = 0;
    if (dot && strchr(dot + 1, '.'))
        snprintf(out, HOST_NAME_LIMIT + 1, "%s", dot + 1);
}

static bool is_below(const char *name, const char *domain)
{
    size_t name_len = strlen(name), domain_len = strlen(domain);
    return name_len >= domain_len && strcmp(name + name_len - domain_len, domain) == 0 &&
           (name_len == domain_len || name[name_len - domain_len - 1] == '.');
}

static void guess_hostname(const struct init_plan *plan, const struct init_look *look,
                           char out[HOST_NAME_LIMIT + 4])
{
    if (look->fqdn[0] && is_below(look->fqdn, plan->domain))
        snprintf(out, HOST_NAME_LIMIT + 4, "%s", look->fqdn);
    else
        snprintf(out, HOST_NAME_LIMIT + 4, "mx.%s", plan->domain);
}

/* Who types, when that is somebody; else who every domain has. */
static void guess_user(const struct init_plan *plan, bool is_asked, char out[INIT_USER_LIMIT + 1])
{
    const char *name = getenv("SUDO_USER");
    const struct passwd *own = getuid() == 0 ? NULL : getpwuid(getuid());
    if (!name && own)
        name = own->pw_name;
    if (!name || !is_asked || strcmp(name, "root") == 0)
        name = "postmaster";
    snprintf(out, INIT_USER_LIMIT + 1, "%s@%s", name, plan->domain);
}

bool init_ask_names(struct init_plan *plan, const struct init_look *look)
{
    char domain[HOST_NAME_LIMIT + 1], hostname[HOST_NAME_LIMIT + 4], user[INIT_USER_LIMIT + 1];
    guess_domain(look, domain);
    if (!plan->domain[0]) {
        fprintf(stderr, "\nThe domain whose mail the server takes: what stands behind the @.\n");
        if (!ask_and_set("Domain", domain, false, plan, init_plan_set_domain))
            return false;
    }
    guess_hostname(plan, look, hostname);
    if (!plan->hostname[0]) {
        fprintf(stderr, "\nThe server's own name in the DNS: in the domain's MX record, in its "
                        "address's PTR record\nand on its certificate.\n");
        if (!ask_and_set("Host name", hostname, false, plan, init_plan_set_hostname))
            return false;
    }
    guess_user(plan, true, user);
    if (!plan->user[0]) {
        fprintf(stderr, "\nThe first account. It logs in to send, has a mailbox, and gets what is "
                        "for postmaster and abuse.\n");
        if (!ask_and_set("Address", user, false, plan, init_plan_set_user))
            return false;
    }
    return true;
}

void init_ask_nobody(struct init_plan *plan, const struct init_look *look)
{
    char hostname[HOST_NAME_LIMIT + 4], user[INIT_USER_LIMIT + 1];
    struct error err;
    guess_hostname(plan, look, hostname);
    guess_user(plan, false, user);
    /* The domain is good, and so are these. */
    if (!plan->hostname[0] && !init_plan_set_hostname(plan, hostname, &err))
        snprintf(plan->hostname, sizeof plan->hostname, "%s", plan->domain);
    bool is_set = plan->user[0] || init_plan_set_user(plan, user, &err);
    ASSERT(is_set);
}

/* --- Ways --------------------------------------------------------------------------------------
 */

static bool ask_address(struct init_plan *plan, const struct init_look *look)
{
    char usual[64] = "";
    for (size_t i = 0; i < look->named.count && !usual[0]; i++) {
        uint8_t room[64];
        struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
        if (!address_is_public(&look->named.list[i]))
            continue;
        ip_print(&text, &look->named.list[i]);
        snprintf(usual, sizeof usual, "%.*s", BYTES_ARGS(buf_view(&text)));
    }
    fprintf(stderr,
            "\nThis host has private IPv4 addresses only. Behind which public address is it? That "
            "is what the\nrecords for %s have to say%s.\n",
            plan->hostname,
            usual[0] ? ", as the DNS does already" : "; leave it empty to add it later");
    return ask_and_set("Public address", usual, true, plan, init_plan_add_address);
}

bool init_ask_ways(struct init_plan *plan, const struct init_look *look)
{
    if (look->is_behind_nat && !ask_address(plan, look))
        return false;
    if (look->port25 != PORT25_BLOCKED || plan->relayhost[0])
        return true;
    fprintf(stderr,
            "\nPort 25 is blocked on the way out, so that mail for others has to go through "
            "a smarthost, such as\nsmtps://mail.provider.example; leave it empty to wait "
            "until the port is open.\n");
    return ask_and_set("Smarthost", NULL, true, plan, init_plan_set_relayhost);
}
