#include "mail/dsn_reason.h"

/* Subject and detail of a status code, or the subject alone ("2."); the first row that fits. */
struct row {
    struct bytes status;
    struct dsn_reason reason;
};

#define ROW(status, what, advice)                                                                  \
    {                                                                                              \
        BYTES_INIT(status),                                                                        \
        {                                                                                          \
            BYTES_INIT(what), BYTES_INIT(advice)                                                   \
        }                                                                                          \
    }

static const struct row failed_rows[] = {
    ROW("1.1", "there is no mailbox with this address.",
        "look for a typing error in the address, or ask the person for the right one, and send "
        "the message again."),
    ROW("1.2", "the part of the address behind the @ sign does not exist.",
        "look for a typing error there, or ask the person for the right address, and send the "
        "message again."),
    ROW("1.3", "this is no address that mail can be sent to.",
        "look for a typing error in the address, and send the message again."),
    ROW("1.6", "the person has moved to another address.",
        "ask for the new one (the server's words below may have it), and send the message "
        "there."),
    ROW("1.7", "their server does not accept your own address.",
        "check the sender's address in your mail program. If it is right, ask your postmaster."),
    ROW("1.8", "their server does not accept your own address.",
        "check the sender's address in your mail program. If it is right, ask your postmaster."),
    ROW("1.10", "the part of the address behind the @ sign takes no mail at all.",
        "look for a typing error there, or ask the person for an address that takes mail."),
    ROW("1.", "their server does not accept the address.",
        "look for a typing error in the address, or ask the person for the right one, and send "
        "the message again."),
    ROW("2.1", "the mailbox takes no mail, as its owner or their postmaster wants it.",
        "reach the person in another way."),
    ROW("2.2", "the mailbox is full.",
        "let the person know in another way, and send the message again when there is room."),
    ROW("2.3", "the message is larger than the mailbox takes.",
        "send it with smaller attachments, or share large files in another way."),
    ROW("2.", "the mailbox takes no mail at present.",
        "reach the person in another way, or send the message again later."),
    ROW("3.3", "their server cannot do what this message asks for.",
        "send it again without special delivery options. If that does not help, ask your "
        "postmaster."),
    ROW("3.4", "the message is larger than their server takes.",
        "send it with smaller attachments, or share large files in another way."),
    ROW("3.", "their server takes no mail at present.",
        "send the message again later. If that does not help, reach the person in another way."),
    ROW("4.6", "it was sent in a circle from server to server.",
        "nothing: the address is set up wrongly. Your postmaster, or theirs, should see this "
        "message."),
    ROW("4.7", "it could not be handed over in the time allowed.",
        "check the part of the address behind the @ sign. If it is right, their server was out "
        "of reach or kept putting the message off: send it again later."),
    ROW("4.4", "there is no server for the part of the address behind the @ sign.",
        "look for a typing error there, or ask the person for the right address, and send the "
        "message again."),
    ROW("4.", "their server is out of reach.",
        "check the part of the address behind the @ sign. If it is right, send the message again "
        "later."),
    ROW("5.3", "it has too many recipients for their server.",
        "send it to fewer people at a time."),
    ROW("5.", "their server and this one do not understand each other.",
        "show this message to your postmaster."),
    ROW("6.7", "their server cannot take an address with letters like these.",
        "ask the person for an address in plain letters (a to z)."),
    ROW("6.", "their server does not understand the form of the message.",
        "send it again as plain text, or share attachments in another way."),
    ROW("7.2", "only members may write to this list.",
        "ask the list's owner, or join the list, and send the message again."),
    ROW("7.8", "their server wants a password from us.", "show this message to your postmaster."),
    ROW("7.20", "their server does not believe that it is from you.",
        "send it by the server that your address belongs to. If you did, show this message to your "
        "postmaster."),
    ROW("7.23", "their server does not believe that it is from you.",
        "send it by the server that your address belongs to. If you did, show this message to your "
        "postmaster."),
    ROW("7.25", "their server does not trust the server that it came from.",
        "show this message to your postmaster."),
    ROW("7.26", "their server does not believe that it is from you.",
        "send it by the server that your address belongs to. If you did, show this message to your "
        "postmaster."),
    ROW("7.", "their server refuses it by its rules.",
        "read the server's words below, they may say why. Your postmaster, or theirs, can help."),
    ROW("", "it was refused.",
        "send the message again later. If that does not help, show this one to your postmaster."),
};

static const struct row delayed_rows[] = {
    ROW("2.2", "the mailbox is full.", "let the person know in another way."),
    ROW("2.", "the mailbox takes no mail at present.", ""),
    ROW("3.", "their server takes no mail at present.", ""),
    ROW("4.3", "it cannot be found out now where the address is.",
        "check the part of the address behind the @ sign."),
    ROW("4.7", "it is later than you asked for.", ""),
    ROW("4.", "their server does not answer.", "check the part of the address behind the @ sign."),
    ROW("7.4", "it is to go through an encrypted connection only, and their server has none.",
        "if it is urgent, let the person know in another way."),
    ROW("7.5", "it is not certain that their server is the right one.",
        "if it is urgent, let the person know in another way."),
    ROW("7.8", "the next server on the way does not let us in.",
        "show this message to your postmaster."),
    ROW("7.", "their server asks us to come back later.", ""),
    ROW("", "their server could not take it.", ""),
};

/* Is it the row's status, all of its digits? */
static bool is_row(struct bytes detail, struct bytes wanted)
{
    struct bytes rest = bytes_from(detail, wanted.len);
    bool is_front = wanted.len == 0 || wanted.at[wanted.len - 1] == '.';
    return bytes_starts(detail, wanted) && (is_front || !rest.len || !ascii_is_digit(rest.at[0]));
}

static struct dsn_reason find(const struct row *rows, struct bytes status)
{
    struct bytes detail = bytes_from(status, 2);
    while (!is_row(detail, rows->status))
        rows++;
    return rows->reason;
}

struct dsn_reason dsn_reason_failed(struct bytes status)
{
    return find(failed_rows, status);
}

struct dsn_reason dsn_reason_delayed(struct bytes status)
{
    return find(delayed_rows, status);
}
