/* Any bytes as a bundle. The input is a list of members (type, name, content) that becomes an archive with right
 * checksums, or, when its first byte is odd, the archive itself. Whatever bundle_read accepts, bundle_unpack must
 * accept, and nothing may appear outside of the folder. */
#include "base/file.h"
#include "bundle/bundle.h"
#include "support/tar.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

/* Each member: a type, a size, and a NUL-terminated name. */
static void make_archive(struct slice input, struct buf *tar)
{
    const unsigned char *in = input.data, *end = in + input.size;
    while (end - in > 2) {
        char name[101] = "";
        size_t length = strnlen((const char *)in + 2, (size_t)(end - in - 2));
        memcpy(name, in + 2, length < 100 ? length : 100);
        if (in[0] % 8 == 7)
            tar_long_name(tar, name);
        else if (in[0] % 8 == 0)
            tar_file(tar, name, name);
        else
            tar_header(tar, name, (char)('0' + in[0] % 8), in[1], name);
        in += 2 + length + (in + 2 + length < end);
    }
    tar_end(tar);
}

static void unpack_both_ways(struct slice archive, const char *box)
{
    static const struct bundle_limits limits = {16, 65536};
    char folder[64];
    snprintf(folder, sizeof folder, "%s/in", box);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && file_write_all(fd, archive.data, archive.size, 0, NULL) == ANB_OK);
    require(mkdir(folder, 0700) == 0);
    enum anb_status read = bundle_read(fd, &limits, NULL, NULL, NULL);
    require(lseek(fd, 0, SEEK_SET) == 0);
    enum anb_status unpacked = bundle_unpack(fd, &limits, folder, NULL);
    require(read == unpacked);
    close(fd);
    require(file_remove_folder(folder, NULL) == ANB_OK);
    require(rmdir(box) == 0); /* fails when anything but the folder was made */
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char box[] = "/dev/shm/anabranch-fuzz-XXXXXX";
    struct buf tar;
    if (size < 2 || size > 65536) return 0;
    buf_init(&tar, 64 << 20);
    require(mkdtemp(box) != NULL);
    if (data[0] % 2 == 0) make_archive(slice_of(data + 1, size - 1), &tar);
    unpack_both_ways(data[0] % 2 ? slice_of(data + 1, size - 1) : buf_slice(&tar), box);
    buf_fini(&tar);
    return 0;
}
