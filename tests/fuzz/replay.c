/* Runs one fuzz target over a folder of inputs, without libFuzzer: what `make test` does with
 * the corpus. Each input sits at the very end of an exactly sized heap block, so that the address
 * sanitizer sees the first byte read too far. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_LIMIT = 1 << 20 };

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return perror(path), 1;
    uint8_t *room = malloc(INPUT_LIMIT);
    size_t size = room ? fread(room, 1, INPUT_LIMIT, file) : 0;
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1);
    if (!room || !exact)
        return fprintf(stderr, "%s: out of memory\n", path), 1;
    memcpy(exact, room, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(room);
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 2)
        return fprintf(stderr, "usage: %s CORPUS_FOLDER\n", arguments[0]), 2;
    DIR *folder = opendir(arguments[1]);
    if (!folder)
        return perror(arguments[1]), 1;
    int replayed = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", arguments[1], entry->d_name);
        if (replay_file(path))
            return 1;
        replayed++;
    }
    closedir(folder);
    printf("%d inputs replayed\n", replayed);
    return replayed ? 0 : 1;
}
