#include "daemon/token.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

struct token {
    pthread_mutex_t mutex;
};

int token_make(struct error *err)
{
    int fd = memfd_create("postrider-token", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, sizeof(struct token)) != 0) {
        error_set(err, errno, "shared memory for the sync token");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct token *token = token_map(fd, err);
    if (!token) {
        close(fd);
        return -1;
    }
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&token->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    token_unmap(token);
    return fd;
}

struct token *token_map(int fd, struct error *err)
{
    void *memory = mmap(NULL, sizeof(struct token), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        return memory;
    error_set(err, errno, "map the sync token");
    return NULL;
}

void token_unmap(struct token *token)
{
    if (token)
        munmap(token, sizeof *token);
}

void token_take(struct token *token)
{
    int status = pthread_mutex_lock(&token->mutex);
    /* Its holder died in the middle of a sync: there is nothing in the memory to repair. */
    if (status == EOWNERDEAD)
        status = pthread_mutex_consistent(&token->mutex);
    ASSERT(status == 0);
}

void token_give(struct token *token)
{
    ASSERT(pthread_mutex_unlock(&token->mutex) == 0);
}
