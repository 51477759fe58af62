#include "cli/trace_advice.h"

#include "cli/trace_field.h"

enum { VALUE_LIMIT = 65536 };

/* The first row counts whose event is the line's and whose text is somewhere in the field, in any
 * case; an empty text is in all. */
static const struct {
    const char *event, *field, *text, *advice;
} rows[] = {
    {"refused", "rule", "relay",
     "the sender has to log in (port 587 or 465); if its network may relay, add it to "
     "relay.networks"},
    {"refused", "rule", "unknown-mailbox",
     "nobody has that address here: look for a typing error, or add it to domains.mailboxes or "
     "domains.aliases"},
    {"refused", "rule", "submission",
     "the mail program does not log in: set name and password for outgoing mail in it"},
    {"refused", "rule", "sender",
     "let the mail program use an address of the account, or allow this one by: postrider user "
     "grant ACCOUNT ADDRESS"},
    {"refused", "rule", "dmarc",
     "the domain's owner wants it refused; if a forwarder of yours brought it, add that to "
     "verify.forwarders"},
    {"refused", "rule", "spf",
     "the sender's domain has to name this server in its SPF record; look with: postrider verify "
     "--ip ADDRESS --from SENDER"},
    {"refused", "rule", "reverse-name",
     "the sender's provider has to set a PTR record for that address"},
    {"refused", "rule", "low-water",
     "the disk of the spool is nearly full: look with df, and make room (spool.low_water)"},
    {"refused", "rule", "sessions",
     "it has many connections open at once: limits.sessions and limits.sessions_per_address say "
     "how "
     "many may be"},
    {"refused", "rule", "quota",
     "the account has sent what it may in a day; was its password stolen? Otherwise raise it by: "
     "postrider user limit ACCOUNT MESSAGES RECIPIENTS"},
    {"refused", "text", "TLS does not begin",
     "set the mail program to STARTTLS for this port, or to TLS on port 465"},
    {"refused", "rule", "tls", "look at the certificate's files: postrider check"},
    {"refused", "code", "538",
     "let the mail program use STARTTLS, or TLS from the start (port 465)"},
    {"refused", "text", "STARTTLS",
     "let the client use STARTTLS, or TLS from the start (port 465)"},
    {"refused", "code", "552",
     "a smaller message, or a link instead of the attachment; or raise limits.message_size"},
    {"refused", "text", "CRLF", "the sending program is broken, and has to be mended"},
    {"login-failed", "reason", "no such account",
     "see who has an account: postrider user list; one is made by: postrider user add ADDRESS"},
    {"login-failed", "reason", "wrong password",
     "type it again in the mail program, or set a new one: postrider user passwd ADDRESS"},
    {"login-failed", "reason", "disabled",
     "let the account in again: postrider user enable ADDRESS"},
    {"login-banned", "client", "", "let it in before the time: postrider ban lift ADDRESS"},
    {"banned", "client", "", "let it in before the time: postrider ban lift ADDRESS"},
    {"tls-failed", "reason", "http request", "that was a web browser, or a scanner: nothing to do"},
    {"tls-failed", "reason", "unknown ca",
     "the client does not trust the certificate: is the whole chain in tls.certificate?"},
    {"tls-failed", "reason", "certificate expired", "renew the certificate, and: postrider reload"},
    {"tls-failed", "reason", "is not TLS",
     "set the mail program to TLS (SSL) for this port, or to STARTTLS on port 587"},
    {"tls-failed", "reason", "unsupported protocol",
     "the client's TLS is too old; tls.peers: old takes it, which is less safe"},
    {"connect-failed", "reason", "Connection refused",
     "nobody listens there: is it the right host and port, and does its server run?"},
    {"connect-failed", "reason", "timed out",
     "no answer at all: many providers block port 25 on the way out; ask yours, or send through a "
     "smarthost (routes)"},
    {"connect-failed", "reason", "unreachable",
     "this host has no way there: look at its network, or set outbound.address_families"},
    {"connect-failed", "reason", "verified certificate",
     "the other side's certificate will not do: tell its operator, or change outbound.tls_domains "
     "for that domain"},
    {"connect-failed", "reason", "535",
     "the smarthost knows another password: see user and password_file of the route"},
    {"connect-failed", "status", "4.4.3",
     "the DNS does not answer: look at resolver.servers, or /etc/resolv.conf"},
    {"resolve-failed", "status", "4.4.3",
     "the DNS does not answer: look at resolver.servers, or /etc/resolv.conf"},
    {"resolve-failed", "status", "5.1.2",
     "there is no such domain: a typing error in the address behind the @?"},
    {"resolve-failed", "status", "5.1.10", "that domain takes no mail, and says so (null MX)"},
    {"resolve-failed", "status", "5.4.6",
     "the DNS sends the domain's mail to this server: add it to domains, or mend its MX record"},
    {"no-password", "file", "", "look at the file and its rights, and then: postrider reload"},
    {"deferred", "reply", "greylist",
     "that is greylisting: the other side takes it at one of the next tries, nothing to do"},
    {"deferred", "reply", "grey list",
     "that is greylisting: the other side takes it at one of the next tries, nothing to do"},
    {"deferred", "status", "4.2.2", "the recipient's mailbox is full: only its owner can help"},
    {"deferred", "reply", "rate",
     "the other side wants it slower: set queue.rate, or rate of a route"},
    {"failed", "status", "5.1.10", "that domain takes no mail, and says so (null MX)"},
    {"failed", "status", "5.1.1", "the address does not exist there: look for a typing error"},
    {"failed", "status", "5.2.2", "the recipient's mailbox is full: only its owner can help"},
    {"failed", "reply", "spf",
     "is this host in the SPF record of the sender's domain? Look with: postrider dns check "
     "DOMAIN"},
    {"failed", "reply", "dkim",
     "does the sender's domain sign, and has the DNS its keys? Look with: postrider dns check "
     "DOMAIN"},
    {"failed", "reply", "spamhaus",
     "this host's address is on a list of those that send spam: the reply names where to ask"},
    {"failed", "reply", "block",
     "the other side does not want mail from this host: its words say whom to ask"},
    {"mailbox-failed", "reason", "Permission denied",
     "the mailbox's folder has to belong to the user that the server runs as"},
    {"mailbox-failed", "reason", "No space", "make room on the disk of deliver.mailbox"},
    {"mailbox-failed", "reason", "quota", "the owner has to delete mail, or needs a larger quota"},
    {"spool-error", "reason", "No space", "make room on the disk of the spool"},
};

static bool has_text(struct bytes value, struct bytes text)
{
    for (size_t i = 0; i + text.len <= value.len; i++)
        if (bytes_starts_nocase(bytes_from(value, i), text))
            return true;
    return false;
}

const char *trace_advice(struct bytes line)
{
    struct bytes event = trace_field_raw(line, BYTES("event"));
    struct buf value;
    const char *advice = NULL;
    buf_init(&value, VALUE_LIMIT);
    for (size_t i = 0; !advice && i < COUNT(rows); i++) {
        if (!bytes_equal(event, bytes_of(rows[i].event)))
            continue;
        bool is_there = trace_field_find(line, bytes_of(rows[i].field), &value);
        if (is_there && has_text(buf_view(&value), bytes_of(rows[i].text)))
            advice = rows[i].advice;
    }
    buf_done(&value);
    return advice;
}
