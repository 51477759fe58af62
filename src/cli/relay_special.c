/* What can be abused beside recipients: logins, questions, proxies' words, the door to TLS. */
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "cli/relay_audit_state.h"

/* One that no server has. */
#define NOBODY "relay-audit-no-such-mailbox"

static bool begin(struct audit *audit, enum audit_tls tls)
{
    struct error err;
    audit_forget_words(audit);
    return instant_steady_ms() < audit->until_ms && audit_greet(audit, AUDIT_GREETING, tls, &err);
}

/* --- Logins ----------------------------------------------------------------------------------- */

/* Our own lets programs of this host log in without TLS where the configuration says so. */
static bool may_be_clear(const struct audit *audit)
{
    const struct relay_target *target = audit->target;
    return target->config && target->config->auth.allows_clear_loopback && target->from &&
           ip_is_loopback(target->from);
}

static void tell_clear(struct audit *audit)
{
    struct finding *finding = audit_find(audit, SEVERITY_WARNING, "login-clear");
    buf_addf(&finding->what, "%s lets people log in in clear text", audit->target->name);
    buf_addf(&finding->meaning, "whoever listens on the way has their passwords, and sends with "
                                "them");
    buf_addf(&finding->remedy, "offer AUTH behind STARTTLS alone (Postfix: smtpd_tls_auth_only = "
                               "yes)");
}

/* A password is asked for, or even judged, before TLS. */
static void try_clear_login(struct audit *audit)
{
    if (!begin(audit, AUDIT_CLEAR) || dialogue_tls(audit->dialogue) || may_be_clear(audit))
        return;
    bool is_offered = dialogue_extensions(audit->dialogue)->logins != 0;
    /* NUL, "nobody", NUL, "wrong". */
    int code = audit_say(audit, BYTES("AUTH PLAIN AG5vYm9keQB3cm9uZw=="));
    if (code == 235) {
        struct finding *finding = audit_find(audit, SEVERITY_PROBLEM, "login-any");
        buf_addf(&finding->what, "%s takes any password", audit->target->name);
        buf_addf(&finding->meaning, "everybody can send through it");
        buf_addf(&finding->remedy, "see what verifies its passwords");
    } else if (is_offered || code == 535) {
        tell_clear(audit);
    }
}

static void try_wrong_login(struct audit *audit)
{
    struct error err;
    struct buf user;
    if (!audit->target->has_logins || !begin(audit, AUDIT_AS_USUAL) ||
        !dialogue_tls(audit->dialogue) || !dialogue_extensions(audit->dialogue)->logins)
        return;
    buf_init(&user, 2 * AUDIT_NAME_LIMIT);
    buf_addf(&user, NOBODY "@%s", audit->near);
    const struct reply_scan *reply =
        dialogue_login(audit->dialogue, buf_view(&user), BYTES("wrong"), &err);
    buf_done(&user);
    if (!reply || reply->code != 235)
        return;
    struct finding *finding = audit_find(audit, SEVERITY_PROBLEM, "login-any");
    buf_addf(&finding->what, "%s takes any password, of people who are not there",
             audit->target->name);
    buf_addf(&finding->meaning, "everybody can send through it");
    buf_addf(&finding->remedy, "see what verifies its passwords");
}

/* --- Questions -------------------------------------------------------------------------------- */

static int ask(struct audit *audit, const char *command, const char *local)
{
    char line[2 * AUDIT_NAME_LIMIT];
    snprintf(line, sizeof line, "%s <%s@%s>", command, local, audit->near);
    return audit_say(audit, bytes_of(line));
}

/* RFC 5321, 7.3: VRFY may say as much to everybody; then guesses become lists of addresses. */
static void try_questions(struct audit *audit)
{
    if (!begin(audit, AUDIT_AS_USUAL))
        return;
    int there = ask(audit, "VRFY", "postmaster"), nobody = ask(audit, "VRFY", NOBODY);
    int list = ask(audit, "EXPN", "postmaster");
    bool is_told = there != nobody && there / 100 == 2 && nobody / 100 == 5;
    if (!is_told && list != 250)
        return;
    struct finding *finding = audit_find(audit, SEVERITY_WARNING, "addresses-told");
    buf_addf(&finding->what, "%s tells strangers %s", audit->target->name,
             is_told ? "who has a mailbox (VRFY)" : "who is on a list (EXPN)");
    buf_addf(&finding->meaning, "spammers make lists of addresses with it, faster than by RCPT");
    buf_addf(&finding->remedy,
             "turn VRFY and EXPN off (Postfix: disable_vrfy_command = yes; Exim: acl_smtp_vrfy)");
}

/* --- Proxies' words --------------------------------------------------------------------------- */

static void tell_proxy(struct audit *audit, const char *code, const char *word)
{
    struct finding *finding = audit_find(audit, SEVERITY_PROBLEM, code);
    buf_addf(&finding->what, "%s lets anybody say by %s which client it is", audit->target->name,
             word);
    buf_addf(&finding->meaning,
             "as 127.0.0.1, for example, which most servers trust: an open relay "
             "in two lines");
    if (audit->target->config)
        buf_addf(&finding->remedy,
                 "name your proxies alone in the listener's %s, then: postrider "
                 "reload",
                 strcmp(word, "XCLIENT") == 0 ? "xclient" : "proxy");
    else
        buf_addf(&finding->remedy, "allow it to your proxies alone");
}

static void try_xclient(struct audit *audit)
{
    if (begin(audit, AUDIT_CLEAR) && audit_say(audit, BYTES("XCLIENT ADDR=127.0.0.1")) == 220)
        tell_proxy(audit, "xclient-open", "XCLIENT");
}

/* The PROXY protocol comes before anything else, without a reply of its own. */
static void try_proxy(struct audit *audit)
{
    struct error err;
    audit_forget_words(audit);
    if (instant_steady_ms() >= audit->until_ms)
        return;
    const char *line = ip_is_ipv4(&audit->target->to)
                           ? "PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n"
                           : "PROXY TCP6 ::1 ::1 40000 25\r\n";
    /* To who does not take it, it is a command that is not known, whose reply comes first. */
    if (!audit_connect(audit, bytes_of(line), &err) || audit_say(audit, BYTES("NOOP")) / 100 != 2)
        return;
    const struct reply_scan *reply = dialogue_ehlo(audit->dialogue, AUDIT_GREETING, &err);
    if (reply && reply->code == 250 && audit_try_stranger(audit) / 100 == 2)
        tell_proxy(audit, "proxy-open", "the PROXY protocol");
}

/* --- The door to TLS -------------------------------------------------------------------------- */

/* What comes in one packet with STARTTLS is clear text, and must not be obeyed inside TLS (RFC
 * 3207, 6; CVE-2011-0411). */
static void try_injection(struct audit *audit)
{
    struct error err;
    if (!begin(audit, AUDIT_CLEAR) || dialogue_tls(audit->dialogue) ||
        !(dialogue_extensions(audit->dialogue)->offers & OFFERS_STARTTLS))
        return;
    if (!dialogue_say_raw(audit->dialogue, BYTES("STARTTLS\r\nXRELAYAUDIT\r\n"), &err))
        return;
    const struct reply_scan *reply = dialogue_hear(audit->dialogue, &err);
    if (!reply || reply->code != 220 || !audit_start_tls(audit, &err))
        return;
    if (audit_say(audit, BYTES("NOOP")) / 100 != 5)
        return;
    struct finding *finding = audit_find(audit, SEVERITY_PROBLEM, "starttls-injection");
    buf_addf(&finding->what, "%s obeys inside TLS what came before it in clear text",
             audit->target->name);
    buf_addf(&finding->meaning, "somebody on the way can put commands in front of other people's "
                                "sessions, and so steal their passwords and mail (CVE-2011-0411)");
    buf_addf(&finding->remedy, "update the server");
}

void audit_special(struct audit *audit)
{
    try_clear_login(audit);
    try_wrong_login(audit);
    try_questions(audit);
    try_xclient(audit);
    try_proxy(audit);
    try_injection(audit);
}
