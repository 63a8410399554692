/* SPDX-License-Identifier: MIT */
/*
 * The machine that KVM makes for us. See kvm_machine.h for its map.
 *
 * Threads   One.
 * Memory    RAM and firmware are anonymous mappings; the firmware file is closed once it is read.
 */
#include "kvm_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define IDENTITY_MAP_ADDRESS UINT64_C(0xfeffc000)
#define TSS_ADDRESS 0xfeffd000ul
#define FOUR_GIB (UINT64_C(1) << 32)
#define ONE_MIB (UINT64_C(1) << 20)
#define SHADOW_MAX_BYTES (128u << 10) /* of the firmware, copied below 1 MiB: 0xe0000..0xfffff */
#define FIRMWARE_MAX_BYTES (8u << 20)
#define CPUID_ENTRIES 256u

enum slot {
	SLOT_MEMORY,
	SLOT_FIRMWARE,
};

static int fail(struct ioreq_error *error, int err, const char *step, const char *remedy)
{
	return ioreq_error_set(error, err, "%s: %s; %s", step, strerror(err), remedy);
}

static const char *open_remedy(int err)
{
	if (err == ENOENT)
		return "load kvm_intel or kvm_amd, or switch virtualization on in the machine's set-up";
	if (err == EACCES)
		return "add the user to the group that owns it (kvm)";
	return "see whether the processor offers virtualization to this system";
}

static int open_kvm(struct ioreq_kvm_machine *machine, struct ioreq_error *error)
{
	int version;

	machine->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm_fd < 0)
		return fail(error, errno, "/dev/kvm", open_remedy(errno));
	version = ioctl(machine->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return ioreq_error_set(error, EPROTO,
				       "/dev/kvm: API version %d; allowed: %d, which Linux has since 2.6.22", version,
				       KVM_API_VERSION);
	return 0;
}

static int check_capabilities(const struct ioreq_kvm_machine *machine, struct ioreq_error *error)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},           {KVM_CAP_PIT2, "KVM_CAP_PIT2"},
		{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},       {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
		{KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"}, {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(machine->kvm_fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			return fail(error, ENOTSUP, needed[i].name, "use a kernel from 2017 (4.12) or later");
	return 0;
}

static int create_vm(struct ioreq_kvm_machine *machine, struct ioreq_error *error)
{
	uint64_t identity_map = IDENTITY_MAP_ADDRESS;
	struct kvm_pit_config pit = {0};

	machine->vm_fd = ioctl(machine->kvm_fd, KVM_CREATE_VM, 0);
	if (machine->vm_fd < 0)
		return fail(error, errno, "KVM_CREATE_VM",
			    "nested virtualization may be off on the host of this machine");
	if (ioctl(machine->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return fail(error, errno, "KVM_SET_IDENTITY_MAP_ADDR", "this KVM cannot run real mode");
	if (ioctl(machine->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS))
		return fail(error, errno, "KVM_SET_TSS_ADDR", "this KVM cannot run real mode");
	if (ioctl(machine->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return fail(error, errno, "KVM_CREATE_IRQCHIP", "use a kernel that emulates the PIC and the APICs");
	if (ioctl(machine->vm_fd, KVM_CREATE_PIT2, &pit))
		return fail(error, errno, "KVM_CREATE_PIT2", "use a kernel that emulates the PIT");
	return 0;
}

/*
 * What the processor really has, but for what differs between vCPUs: the APIC id, and how many there are (leaf 1, the
 * number of logical processors, where the self-test guest reads it).
 */
static void identify_vcpu(struct kvm_cpuid2 *cpuid, unsigned index, unsigned nr_vcpus)
{
	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == 1)
			entry->ebx = (entry->ebx & 0xffff) | nr_vcpus << 16 | index << 24;
		else if (entry->function == 0xb || entry->function == 0x1f)
			entry->edx = index;
	}
}

static int set_cpuid(const struct ioreq_kvm_machine *machine, unsigned index, struct ioreq_error *error)
{
	struct kvm_cpuid2 *cpuid;
	int err = 0;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return fail(error, ENOMEM, "CPUID table", "free some memory");
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(machine->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		err = fail(error, errno, "KVM_GET_SUPPORTED_CPUID", "report this processor's table as too long");
		goto out;
	}
	identify_vcpu(cpuid, index, machine->nr_vcpus);
	if (ioctl(machine->vcpu_fds[index], KVM_SET_CPUID2, cpuid))
		err = fail(error, errno, "KVM_SET_CPUID2", "this KVM refuses its own table");
out:
	free(cpuid);
	return err;
}

static int create_vcpu(struct ioreq_kvm_machine *machine, unsigned index, struct ioreq_error *error)
{
	void *run;
	int fd;

	fd = ioctl(machine->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (fd < 0)
		return fail(error, errno, "KVM_CREATE_VCPU", "try fewer --vcpus");
	machine->vcpu_fds[index] = fd;
	run = mmap(NULL, machine->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED)
		return fail(error, errno, "mapping of a vCPU's run page", "free some memory");
	machine->runs[index] = run;
	return set_cpuid(machine, index, error);
}

int ioreq_kvm_machine_create(struct ioreq_kvm_machine *machine, unsigned nr_vcpus, struct ioreq_error *error)
{
	int run_bytes;
	int err;

	memset(machine, 0, sizeof(*machine));
	machine->kvm_fd = -1;
	machine->vm_fd = -1;
	for (unsigned i = 0; i < IOREQ_MAX_VCPUS; i++)
		machine->vcpu_fds[i] = -1;
	machine->nr_vcpus = nr_vcpus;

	err = open_kvm(machine, error);
	if (!err)
		err = check_capabilities(machine, error);
	if (!err)
		err = create_vm(machine, error);
	if (err)
		return err;
	run_bytes = ioctl(machine->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < (int)sizeof(struct kvm_run))
		return fail(error, EPROTO, "KVM_GET_VCPU_MMAP_SIZE", "this KVM does not speak our ABI");
	machine->run_bytes = (size_t)run_bytes;
	for (unsigned i = 0; i < nr_vcpus && !err; i++)
		err = create_vcpu(machine, i, error);
	return err;
}

static int map_anonymous(size_t bytes, const char *what, void **memory_out, struct ioreq_error *error)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return fail(error, errno, what, "give the guest less --memory");
	*memory_out = memory;
	return 0;
}

static int read_whole(int fd, void *memory, size_t bytes)
{
	char *to = memory;
	ssize_t got;

	while (bytes > 0) {
		got = read(fd, to, bytes);
		if (got == 0)
			return EIO;
		if (got < 0 && errno != EINTR)
			return errno;
		if (got > 0) {
			to += got;
			bytes -= (size_t)got;
		}
	}
	return 0;
}

static int read_firmware(struct ioreq_kvm_machine *machine, int fd, const char *path, struct ioreq_error *error)
{
	struct stat status;
	int err;

	if (fstat(fd, &status))
		return fail(error, errno, path, "name a readable --firmware file");
	if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > FIRMWARE_MAX_BYTES ||
	    status.st_size % 4096)
		return ioreq_error_set(error, EINVAL,
				       "--firmware %s: %lld bytes; allowed: a file of a multiple of 4KiB up to 8MiB",
				       path, (long long)status.st_size);
	machine->firmware_bytes = (size_t)status.st_size;
	err = map_anonymous(machine->firmware_bytes, "memory for the firmware", &machine->firmware, error);
	if (err)
		return err;
	err = read_whole(fd, machine->firmware, machine->firmware_bytes);
	if (err)
		return fail(error, err, path, "the file could not be read whole");
	return 0;
}

static int set_region(const struct ioreq_kvm_machine *machine, const struct kvm_userspace_memory_region *region,
		      struct ioreq_error *error)
{
	if (ioctl(machine->vm_fd, KVM_SET_USER_MEMORY_REGION, region))
		return fail(error, errno, "KVM_SET_USER_MEMORY_REGION", "give the guest less --memory");
	return 0;
}

static int map_regions(const struct ioreq_kvm_machine *machine, struct ioreq_error *error)
{
	const struct kvm_userspace_memory_region memory = {
		.slot = SLOT_MEMORY,
		.guest_phys_addr = 0,
		.memory_size = machine->memory_bytes,
		.userspace_addr = (uintptr_t)machine->memory,
	};
	const struct kvm_userspace_memory_region firmware = {
		.slot = SLOT_FIRMWARE,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = FOUR_GIB - machine->firmware_bytes,
		.memory_size = machine->firmware_bytes,
		.userspace_addr = (uintptr_t)machine->firmware,
	};
	int err = set_region(machine, &memory, error);

	return err ? err : set_region(machine, &firmware, error);
}

int ioreq_kvm_machine_load(struct ioreq_kvm_machine *machine, uint64_t memory_bytes, const char *firmware,
			   struct ioreq_error *error)
{
	size_t shadow_bytes;
	int fd;
	int err;

	fd = open(firmware, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, errno, firmware,
			    "name a readable --firmware file (Debian's package seabios has one)");
	err = read_firmware(machine, fd, firmware, error);
	close(fd);
	if (err)
		return err;

	machine->memory_bytes = (size_t)memory_bytes;
	err = map_anonymous(machine->memory_bytes, "memory for the guest", &machine->memory, error);
	if (err)
		return err;
	shadow_bytes = machine->firmware_bytes < SHADOW_MAX_BYTES ? machine->firmware_bytes : SHADOW_MAX_BYTES;
	memcpy((char *)machine->memory + ONE_MIB - shadow_bytes,
	       (const char *)machine->firmware + machine->firmware_bytes - shadow_bytes, shadow_bytes);
	return map_regions(machine, error);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void ioreq_kvm_machine_destroy(struct ioreq_kvm_machine *machine)
{
	for (unsigned i = 0; i < IOREQ_MAX_VCPUS; i++) {
		if (machine->runs[i])
			munmap(machine->runs[i], machine->run_bytes);
		close_fd(machine->vcpu_fds[i]);
	}
	close_fd(machine->vm_fd);
	close_fd(machine->kvm_fd);
	if (machine->memory)
		munmap(machine->memory, machine->memory_bytes);
	if (machine->firmware)
		munmap(machine->firmware, machine->firmware_bytes);
}
