/* SPDX-License-Identifier: MIT
 * See elf_check.h. Every offset and size in the file is checked against the file's size.
 */
#include "core/plugin/elf_check.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"

#if defined(__x86_64__)
#    define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#    define OUR_MACHINE EM_AARCH64
#elif defined(__i386__)
#    define OUR_MACHINE EM_386
#elif defined(__arm__)
#    define OUR_MACHINE EM_ARM
#elif defined(__riscv)
#    define OUR_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#    define OUR_MACHINE EM_PPC64
#elif defined(__s390__)
#    define OUR_MACHINE EM_S390
#elif defined(__loongarch__)
#    define OUR_MACHINE 258
#else
#    define OUR_MACHINE EM_NONE
#endif

#define OUR_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#define OUR_DATA (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

static const struct {
    int number;
    const char *name;
} machines[] = {
    {EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i386"},   {EM_ARM, "arm"},
    {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},     {EM_S390, "s390x"}, {258, "loongarch"},
};

struct elf_file {
    const char *path;
    int fd;
    uint64_t size;
    struct error *error;
};

static int elf_refuse(const struct elf_file *f, const char *what)
{
    return error_set(f->error, -ENOEXEC, "%s %s", f->path, what);
}

static int cut_off(const struct elf_file *f)
{
    return elf_refuse(f, "is cut off; install the plugin again");
}

static bool inside(const struct elf_file *f, uint64_t offset, uint64_t length)
{
    return offset <= f->size && length <= f->size - offset;
}

static int read_at(const struct elf_file *f, uint64_t offset, void *ret, size_t length)
{
    if (!inside(f, offset, length) || pread(f->fd, ret, length, (off_t)offset) != (ssize_t)length)
        return cut_off(f);
    return 0;
}

static int elf_foreign(const struct elf_file *f, int machine)
{
    char text[128], number[16];
    const char *name = number;

    snprintf(number, sizeof(number), "ELF %d", machine);
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].number == machine)
            name = machines[i].name;
    snprintf(text, sizeof(text), "is for another machine (%s); build the plugin for this one", name);
    return elf_refuse(f, text);
}

/* What can be told from the first bytes, the same for both classes and byte orders. */
static int elf_check_start(const struct elf_file *f)
{
    unsigned char start[20] = {0};
    ssize_t got = pread(f->fd, start, sizeof(start), 0);

    if (got >= 0 && got < SELFMAG && memcmp(start, ELFMAG, (size_t)got) == 0)
        return got == 0 ? elf_refuse(f, "is empty; install the plugin again") : cut_off(f);
    if (got < 0 || memcmp(start, ELFMAG, SELFMAG) != 0)
        return elf_refuse(f, "is not an ELF file; a plugin is a shared object (.so)");
    if (got < (ssize_t)sizeof(start))
        return cut_off(f);
    int machine = start[EI_DATA] == ELFDATA2MSB ? start[18] << 8 | start[19] : start[19] << 8 | start[18];
    if (OUR_MACHINE != EM_NONE && machine != OUR_MACHINE)
        return elf_foreign(f, machine);
    if (start[EI_CLASS] != OUR_CLASS)
        return elf_refuse(f, sizeof(void *) == 8 ? "is built for 32 bits; build it for 64"
                                                 : "is built for 64 bits; build it for 32");
    if (start[EI_DATA] != OUR_DATA)
        return elf_refuse(f, "is built for the other byte order; build it for this machine");
    return 0;
}

static int check_segments(const struct elf_file *f, const ElfW(Ehdr) * h)
{
    bool dynamic = false;

    if (h->e_phnum == 0 || h->e_phentsize != sizeof(ElfW(Phdr)))
        return elf_refuse(f, "has no program headers; it is not a shared object");
    for (unsigned i = 0; i < h->e_phnum; i++) {
        ElfW(Phdr) p;
        int r = read_at(f, (uint64_t)h->e_phoff + (uint64_t)i * sizeof(p), &p, sizeof(p));
        if (r < 0)
            return r;
        if (p.p_type != PT_NULL && p.p_type != PT_GNU_STACK && !inside(f, p.p_offset, p.p_filesz))
            return cut_off(f);
        dynamic = dynamic || p.p_type == PT_DYNAMIC;
    }
    return dynamic ? 0 : elf_refuse(f, "is not a shared object; link it with -shared");
}

static int check_sections(const struct elf_file *f, const ElfW(Ehdr) * h)
{
    if (h->e_shoff == 0)
        return 0;
    if (h->e_shentsize != sizeof(ElfW(Shdr)))
        return elf_refuse(f, "has section headers of an unknown form");
    for (unsigned i = 0; i < h->e_shnum; i++) {
        ElfW(Shdr) s;
        int r = read_at(f, (uint64_t)h->e_shoff + (uint64_t)i * sizeof(s), &s, sizeof(s));
        if (r < 0)
            return r;
        if (s.sh_type != SHT_NULL && s.sh_type != SHT_NOBITS && !inside(f, s.sh_offset, s.sh_size))
            return cut_off(f);
    }
    return 0;
}

static int check_whole(const struct elf_file *f)
{
    ElfW(Ehdr) h;
    int r = elf_check_start(f);

    if (r == 0)
        r = read_at(f, 0, &h, sizeof(h));
    if (r < 0)
        return r;
    if (h.e_type != ET_DYN)
        return elf_refuse(f, "is not a shared object; link it with -shared");
    r = check_segments(f, &h);
    return r < 0 ? r : check_sections(f, &h);
}

int elf_check(const char *path, struct error *e)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int saved = errno;
        return error_set(e, -saved, "%s cannot be read: %s", path, strerror(saved));
    }
    struct elf_file f = {.path = path, .fd = fd, .size = (uint64_t)st.st_size, .error = e};
    if (!S_ISREG(st.st_mode))
        return elf_refuse(&f, "is not a regular file");
    return check_whole(&f);
}
