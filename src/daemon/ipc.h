/* Typed messages between the processes, over SOCK_SEQPACKET pairs that the supervisor makes.
 * One packet a message; a file descriptor may ride along. Larger data goes in a memory file. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum ipc_type {
    IPC_CONFIG = 1,  /* to a child: fd is a memory file with the configuration's text, NUL, the
                        keyring, NUL, the files of trusted certificates, packed; payload: path NUL
                        folder NUL, then the trust anchor's records */
    IPC_LISTENER,    /* to a worker: fd is a listening socket, number is the config's listener;
                        to mailbox and control: their Unix listening socket */
    IPC_PEER,        /* to control: fd leads to a worker, number is its index; to a worker: fd leads
                        to control; to the keeper: fd leads to one who may ask */
    IPC_TOKEN,       /* to a worker: fd is the shared memory with the disk's sync token */
    IPC_START,       /* to a child: all is handed over, begin */
    IPC_READY,       /* from a child: serving */
    IPC_STOP,        /* to a child: drain and end; from control: please stop everything */
    IPC_RELOAD,      /* to a child: a new IPC_CONFIG came before it; from control: please reload */
    IPC_RELOADED,    /* from a child and to control: done; payload: problems, empty when none */
    IPC_REQUEST,     /* control to worker: number is the request's serial, payload JSON */
    IPC_REPLY,       /* worker to control: same serial, payload JSON text, more follow */
    IPC_REPLY_END,   /* the last of a request; the one packet that the keeper answers with */
    IPC_KEEPER,      /* to a child: fd leads to the keeper, in place of the one before */
    IPC_SECRET,      /* to the keeper: payload is the name of a secret file of the configuration, fd
                        the file, opened; -1: it could not be, and number is the errno. They come
                        before the IPC_START or IPC_RELOAD that puts them in force */
    IPC_CERTIFICATE, /* to a worker, behind IPC_CONFIG and part of it: payload is the chain (PEM) of
                        the certificate with that number */
    IPC_DIRECTORY,   /* from the keeper: fd is a memory file with the names of all mailboxes */
};

enum { IPC_PAYLOAD_LIMIT = 65536 };

struct ipc_message {
    enum ipc_type type;
    uint32_t number;
    struct bytes payload; /* received: a view into the receiver's buffer */
    int fd;               /* -1: none; received: the receiver's to close */
};

/* A connected pair, close-on-exec, non-blocking as asked for by the ends' users. */
MUST_CHECK bool ipc_pair(int fds[2], struct error *err);
/* Sends; on a non-blocking end err->os is EAGAIN when the other side is slow: keep the message and
 * try again. The fd stays the caller's. */
MUST_CHECK bool ipc_send(int fd, const struct ipc_message *message, struct error *err);
enum ipc_status { IPC_GOT, IPC_AGAIN, IPC_GONE, IPC_BROKEN };
/* Receives one message into buffer (IPC_PAYLOAD_LIMIT bytes). GONE: the other side closed;
 * BROKEN: a packet that is none (err says). */
enum ipc_status ipc_receive(int fd, uint8_t *buffer, struct ipc_message *out, struct error *err);
