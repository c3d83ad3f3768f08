/* Runs a fuzz target over each file of the directories that are named: a crash is the failure. */
#include "fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    int c;

    if (file == NULL)
        return -1;
    while ((c = getc(file)) != EOF) {
        uint8_t *more = realloc(data, size + 1);
        if (more == NULL)
            break;
        data = more;
        data[size++] = (uint8_t)c;
    }
    if (c == EOF && !ferror(file))
        LLVMFuzzerTestOneInput(data, size);
    else
        size = 0;
    free(data);
    fclose(file);
    return size > 0 ? 0 : -1;
}

static int run_directory(const char *path, unsigned *count)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    int r = 0;

    if (directory == NULL) {
        perror(path);
        return -1;
    }
    while ((entry = readdir(directory)) != NULL) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (run_file(file) < 0) {
            fprintf(stderr, "%s: cannot be read, or is empty\n", file);
            r = -1;
        }
        (*count)++;
    }
    closedir(directory);
    return r;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int r = 0;

    for (int i = 1; i < argc; i++)
        if (run_directory(argv[i], &count) < 0)
            r = 1;
    printf("%u inputs\n", count);
    return count == 0 ? 1 : r;
}
