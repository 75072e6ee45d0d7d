
/*
 * Copyright (C) The nginx counters module authors
 *
 * Feeds the known inputs of a fuzzer through it, without libFuzzer, and
 * prints TAP.  TARGET is the fuzzer's name.
 */


#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_folder(const char *path);
static int replay_file(const char *path);


int
main(void)
{
    int  corpus, regressions;

    corpus = replay_folder("t/fuzz/corpus/" TARGET);
    regressions = replay_folder("t/fuzz/regressions/" TARGET);

    if (corpus < 0 || regressions < 0) {
        printf("not ok 1 - inputs of " TARGET " cannot be read\n1..1\n");
        return 1;
    }

    /* a failing input has aborted long before */
    printf("ok 1 - %d inputs of " TARGET "\n1..1\n", corpus + regressions);

    return 0;
}


/* returns the number of inputs, -1 if one cannot be read */

static int
replay_folder(const char *path)
{
    DIR            *dir;
    char            name[1024];
    int             n;
    struct dirent  *entry;

    dir = opendir(path);
    if (dir == NULL) {
        return errno == ENOENT ? 0 : -1;
    }

    n = 0;

    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }

        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        if (replay_file(name) != 0) {
            n = -1;
            break;
        }

        n++;
    }

    closedir(dir);

    return n;
}


static int
replay_file(const char *path)
{
    long      size;
    FILE     *file;
    uint8_t  *data;

    file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }

    if (fseek(file, 0, SEEK_END) != 0
        || (size = ftell(file)) < 0
        || fseek(file, 0, SEEK_SET) != 0)
    {
        fclose(file);
        return -1;
    }

    /* exactly as large as the input, so that reading on is noticed */
    data = malloc(size > 0 ? (size_t) size : 1);
    if (data == NULL || fread(data, 1, (size_t) size, file) != (size_t) size) {
        free(data);
        fclose(file);
        return -1;
    }

    fclose(file);

    LLVMFuzzerTestOneInput(data, (size_t) size);

    free(data);

    return 0;
}
