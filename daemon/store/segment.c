/*
 * Making, opening and listing segments. A recycled file keeps its old bytes: its new nonce, which
 * every checksum in it begins with, makes them invalid at the price of one block instead of all.
 */
#include "segment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/hash.h>

#define SPARE "spare"
#define NEXT "next"
#define CRC_FROM offsetof(struct segment_header, number)

_Static_assert(sizeof(struct segment_header) == 48, "written to disk as it is");

void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE])
{
    (void)snprintf(name, SEGMENT_NAME_SIZE, "%016" PRIu64 ".journal", number);
}

static bool parse_name(const char *name, uint64_t *ret_number)
{
    char again[SEGMENT_NAME_SIZE];
    uint64_t number;

    if (!isdigit((unsigned char)name[0]))
        return false;
    number = strtoull(name, NULL, 10);
    segment_name(number, again);
    if (number == 0 || number > UINT32_MAX || strcmp(name, again) != 0)
        return false;
    *ret_number = number;
    return true;
}

struct segment *segment_free(struct segment *segment)
{
    if (segment) {
        cleanup_fd(&segment->fd);
        free(segment);
    }
    return NULL;
}

void segment_cleanup(struct segment **segment)
{
    *segment = segment_free(*segment);
}

static uint32_t header_crc(const struct segment_header *header)
{
    return crc32c(0, (const uint8_t *)header + CRC_FROM, sizeof(*header) - CRC_FROM);
}

static int write_header(const struct files *files, const struct segment *segment)
{
    union {
        struct segment_header header;
        uint8_t bytes[BLOCK_SIZE];
    } block = {.bytes = {0}};

    block.header = (struct segment_header){.version = SEGMENT_VERSION,
                                           .number = segment->number,
                                           .nonce = segment->nonce,
                                           .size = segment->size,
                                           .instance = files->instance};
    memcpy(block.header.magic, SEGMENT_MAGIC, sizeof(block.header.magic));
    block.header.crc = header_crc(&block.header);
    return files_write(files, segment->fd, &block, sizeof(block), 0);
}

/* A spare file of that size becomes NEXT; -ENOENT where there is none. A spare of another size goes
 * away: it was made with other options. */
static int take_spare(const struct files *files, uint64_t size)
{
    struct stat status;

    if (fstatat(files->journal_fd, SPARE, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if ((uint64_t)status.st_size != size) {
        (void)unlinkat(files->journal_fd, SPARE, 0);
        return -ENOENT;
    }
    return renameat(files->journal_fd, SPARE, files->journal_fd, NEXT) < 0 ? -errno : 0;
}

/* Fills NEXT, and gives it its name at the very last. */
static int make_file(const struct files *files, struct segment *segment)
{
    char name[SEGMENT_NAME_SIZE];
    bool spare = take_spare(files, segment->size) == 0;
    int r = 0;

    segment->fd = openat(files->journal_fd, NEXT, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (segment->fd < 0)
        return -errno;
    if (!spare)
        r = ftruncate(segment->fd, 0) < 0 ? -errno
                                          : files_allocate(files, segment->fd, segment->size);
    if (r == 0)
        r = write_header(files, segment);
    if (r == 0)
        r = files_sync(files, segment->fd);
    if (r < 0)
        return r;
    segment_name(segment->number, name);
    if (renameat(files->journal_fd, NEXT, files->journal_fd, name) < 0)
        return -errno;
    return files_sync_directory(files->journal_fd);
}

int segment_create(const struct files *files, uint64_t number, uint64_t size,
                   struct segment **ret_segment)
{
    CLEANUP(segment_cleanup) struct segment *segment = calloc(1, sizeof(*segment));
    int r;

    if (!segment)
        return -ENOMEM;
    *segment = (struct segment){.number = number, .size = size, .fd = -1};
    random_bytes(&segment->nonce, sizeof(segment->nonce));
    r = make_file(files, segment);
    if (r < 0) {
        (void)unlinkat(files->journal_fd, NEXT, 0);
        return r;
    }
    *ret_segment = TAKE_PTR(segment);
    return 0;
}

static int check_header(const struct segment_header *header, uint32_t instance, uint64_t number,
                        uint64_t size)
{
    if (memcmp(header->magic, SEGMENT_MAGIC, sizeof(header->magic)) != 0 ||
        header->crc != header_crc(header))
        return -EBADMSG;
    /* The checksum and where it stands are the same in every version; the version is not in it. */
    if (header->version != SEGMENT_VERSION)
        return -EPROTONOSUPPORT;
    if (header->instance != instance || header->number != number || header->size != size ||
        size < SEGMENT_SIZE_MIN || size > SEGMENT_SIZE_MAX || size % BLOCK_SIZE != 0)
        return -EBADMSG;
    return 0;
}

int segment_open(const struct files *files, uint64_t number, struct segment **ret_segment)
{
    CLEANUP(segment_cleanup) struct segment *segment = calloc(1, sizeof(*segment));
    struct segment_header header;
    struct stat status;
    char name[SEGMENT_NAME_SIZE];
    int r;

    if (!segment)
        return -ENOMEM;
    segment_name(number, name);
    segment->fd = openat(files->journal_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (segment->fd < 0 || fstat(segment->fd, &status) < 0)
        return -errno;
    r = files_read(segment->fd, &header, sizeof(header), 0);
    if (r == 0)
        r = check_header(&header, files->instance, number, (uint64_t)status.st_size);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    segment->number = number;
    segment->nonce = header.nonce;
    segment->size = header.size;
    *ret_segment = TAKE_PTR(segment);
    return 0;
}

bool segment_exists(const struct files *files, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(number, name);
    return faccessat(files->journal_fd, name, F_OK, 0) == 0;
}

/* Whether the file still is that segment, and not a successor of it. */
static bool is_still(const struct segment *segment)
{
    struct segment_header header;

    return files_read(segment->fd, &header, sizeof(header), 0) == 0 &&
           header.crc == header_crc(&header) && header.number == segment->number &&
           header.nonce == segment->nonce;
}

/* Most records fit the first block; only long ones cost a second read. */
static int read_bytes(const struct segment *segment, uint64_t offset, uint8_t *buffer)
{
    uint64_t room = segment->size - offset;
    size_t length = room < BLOCK_SIZE ? room : BLOCK_SIZE;
    struct record_header header;
    int r;

    if (length < sizeof(header))
        return -EBADMSG;
    r = files_read(segment->fd, buffer, length, offset);
    if (r < 0)
        return r;
    memcpy(&header, buffer, sizeof(header));
    if (header.length > RECORD_SIZE_MAX || header.length > room)
        return -EBADMSG;
    return header.length <= length ? 0 : files_read(segment->fd, buffer, header.length, offset);
}

int segment_read_record(const struct segment *segment, uint64_t offset, uint8_t *buffer,
                        struct record *ret_record)
{
    int r = offset < segment->size ? read_bytes(segment, offset, buffer) : -EBADMSG;

    if (r < 0 && r != -EBADMSG)
        return r;
    /* Looked at last, and whatever was read: the file may have been recycled since, and then says
     * so before it takes new records. */
    if (!is_still(segment))
        return -ENOENT;
    return r < 0 || record_decode(buffer, RECORD_SIZE_MAX, ret_record) < 0 ? -EBADMSG : 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void close_directory(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

/* A descriptor of its own: the position of a directory belongs to the open file. */
static DIR *open_listing(int directory_fd)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory && fd >= 0)
        (void)close(fd);
    return directory;
}

int segment_list(const struct files *files, uint64_t **ret_numbers, size_t *ret_count)
{
    CLEANUP(close_directory) DIR *directory = open_listing(files->journal_fd);
    CLEANUP(cleanup_free) uint64_t *numbers = NULL;
    size_t count = 0, capacity = 0;
    struct dirent *entry;
    uint64_t number;

    if (!directory)
        return -errno;
    for (errno = 0; (entry = readdir(directory)); errno = 0) {
        if (!parse_name(entry->d_name, &number))
            continue;
        if (count == capacity) {
            uint64_t *grown = realloc(numbers, (capacity * 2 + 16) * sizeof(*numbers));

            if (!grown)
                return -ENOMEM;
            numbers = grown;
            capacity = capacity * 2 + 16;
        }
        numbers[count++] = number;
    }
    if (errno != 0)
        return -errno;
    if (count > 0)
        qsort(numbers, count, sizeof(*numbers), compare_numbers);
    *ret_numbers = TAKE_PTR(numbers);
    *ret_count = count;
    return 0;
}
