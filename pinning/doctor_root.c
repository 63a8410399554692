/* SPDX-License-Identifier: MIT */
/* All file access of the doctor. See doctor_root.h. */
#include "pinning/doctor_root.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int doctor_root_open(const char *directory, struct doctor_root *root_out)
{
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*root_out = (struct doctor_root){.fd = fd, .system = strcmp(directory, "/") == 0};
	return 0;
}

void doctor_root_close(struct doctor_root *root)
{
	close(root->fd);
	root->fd = -1;
}

static int open_below(const struct doctor_root *root, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	long fd;

	while (*path == '/')
		path++;
	if (!*path)
		path = ".";
	/* The system's own /proc/self and links of sysfs need no fence, and old kernels have no openat2(). */
	if (root->system)
		fd = openat(root->fd, path, (int)how.flags);
	else
		fd = syscall(SYS_openat2, root->fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

static int open_file(const struct doctor_root *root, const char *path)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us. */
	int fd = open_below(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	struct stat info;
	int rc = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &info))
		rc = -errno;
	else if (S_ISDIR(info.st_mode))
		rc = -EISDIR;
	/* /dev/cpu_dma_latency is a device; a recorded tree has none. */
	else if (!S_ISREG(info.st_mode) && !(root->system && S_ISCHR(info.st_mode)))
		rc = -EPERM;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* Reads until `bytes` are there or the file ends. */
static ssize_t read_all(int fd, char *data, size_t bytes)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t got = read(fd, data + used, bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

int doctor_root_read_binary(const struct doctor_root *root, const char *path, void *data, size_t bytes)
{
	int fd = open_file(root, path);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = read_all(fd, data, bytes);
	close(fd);
	return (int)got;
}

int doctor_root_read(const struct doctor_root *root, const char *path, char *text, size_t bytes)
{
	int length = doctor_root_read_binary(root, path, text, bytes);

	if (length < 0)
		return length;
	if ((size_t)length == bytes)
		return -EFBIG;
	if (memchr(text, '\0', (size_t)length))
		return -EILSEQ;
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		length--;
	text[length] = '\0';
	return length;
}

int doctor_root_load(const struct doctor_root *root, const char *path, char **text_out)
{
	char *text = NULL, *larger;
	int length = -EFBIG;

	for (size_t bytes = 16384; length == -EFBIG && bytes <= DOCTOR_LOAD_BYTES; bytes *= 8) {
		larger = realloc(text, bytes);
		if (!larger) {
			free(text);
			return -ENOMEM;
		}
		text = larger;
		length = doctor_root_read(root, path, text, bytes);
	}
	if (length < 0) {
		free(text);
		return length;
	}
	*text_out = text;
	return 0;
}

int doctor_root_number(const struct doctor_root *root, const char *path, int64_t *number_out)
{
	char text[64], *end;
	int length = doctor_root_read(root, path, text, sizeof(text));
	long long number;

	if (length < 0)
		return length;
	if (!isdigit((unsigned char)text[text[0] == '-']))
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || *end)
		return errno ? -ERANGE : -EINVAL;
	*number_out = number;
	return 0;
}

int doctor_root_list(const struct doctor_root *root, const char *path, struct doctor_cpus *cpus_out)
{
	char text[16384];
	int length = doctor_root_read(root, path, text, sizeof(text));

	return length < 0 ? length : doctor_cpus_parse_list(text, -1, cpus_out);
}

int doctor_root_mask(const struct doctor_root *root, const char *path, struct doctor_cpus *cpus_out)
{
	char text[16384];
	int length = doctor_root_read(root, path, text, sizeof(text));

	return length < 0 ? length : doctor_cpus_parse_mask(text, cpus_out);
}

bool doctor_root_exists(const struct doctor_root *root, const char *path)
{
	int fd = open_below(root, path, O_PATH);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool is_folder(int fd, const struct dirent *entry)
{
	struct stat info;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

int doctor_root_entries(const struct doctor_root *root, const char *path,
			int (*each)(void *context, const char *name, bool folder), void *context)
{
	int fd = open_below(root, path, O_RDONLY | O_DIRECTORY);
	const struct dirent *entry;
	DIR *folder;

	if (fd < 0)
		return fd;
	folder = fdopendir(fd);
	if (!folder) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (each(context, entry->d_name, is_folder(fd, entry)))
			break;
	}
	closedir(folder);
	return 0;
}

int doctor_root_id(const char *text)
{
	size_t length = strlen(text);
	long long number;

	if (length == 0 || length > 10 || strspn(text, "0123456789") != length)
		return -1;
	number = strtoll(text, NULL, 10);
	return number > INT32_MAX ? -1 : (int)number;
}
