#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trees for the isolation doctor: what /proc, /sys and /dev hold of the files that it reads.

trees.py generate NAME DIR   writes a *generated* machine (it says so in DIR/GENERATED); NAME of `trees.py list`
trees.py record FILE         records this machine into one text file; names of other people's tasks are left out
trees.py unpack FILE DIR     makes a tree of such a file
"""
import os
import re
import sys

FOLDER = object()  # a folder that has nothing in it


class Link(str):
    """A symbolic link; as a file that is opened, a loop of them cannot be read, whoever asks."""


UNREADABLE = Link("loop")


# ---- a machine, file by file --------------------------------------------------------------------------------------

def cpu_list(cpus):
    cpus, ranges = sorted(cpus), []
    for cpu in cpus:
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def cpu_mask(cpus, words):
    number = sum(1 << cpu for cpu in cpus)
    return ",".join(f"{number >> (32 * i) & 0xffffffff:08x}" for i in reversed(range(words)))


def stat_line(tid, name, cpu, flags=0x400000, majflt=0, state="S", started=100):
    return (f"{tid} ({name}) {state} 1 1 1 0 -1 {flags} 10 0 {majflt} 0 5 5 0 0 20 0 1 0 {started} 1000000 100 "
            "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 "
            f"{cpu} 0 0 0 0 0 0 0 0 0 0 0 0 0\n")


KTHREAD, BOUND = 0x208040, 0x4208040  # PF_KTHREAD, and with PF_NO_SETAFFINITY: Linux, include/linux/sched.h


class Machine:
    def __init__(self, cpus, nodes=1, poll=(), threads_per_core=1):
        self.cpus, self.poll = range(cpus), list(poll)
        self.others = [cpu for cpu in self.cpus if cpu not in self.poll]
        self.words = (cpus + 31) // 32
        self.nodes = [[cpu for cpu in self.cpus if cpu * nodes // cpus == node] for node in range(nodes)]
        self.threads_per_core = threads_per_core
        self.files = {}
        for part in (self.topology, self.kernel, self.memory, self.interrupts, self.processes, self.counters):
            part()

    def siblings(self, cpu):
        if self.threads_per_core == 1:
            return [cpu]
        half = len(self.cpus) // 2
        return [cpu % half, cpu % half + half]

    def topology(self):
        f, cpu_root = self.files, "sys/devices/system/cpu"
        f[f"{cpu_root}/online"] = f[f"{cpu_root}/possible"] = cpu_list(self.cpus) + "\n"
        f[f"{cpu_root}/isolated"] = f[f"{cpu_root}/nohz_full"] = cpu_list(self.poll) + "\n"
        for name in ("meltdown", "spectre_v1", "spectre_v2"):
            f[f"{cpu_root}/vulnerabilities/{name}"] = "Not affected\n"
        for cpu in self.cpus:
            base = f"{cpu_root}/cpu{cpu}"
            f[f"{base}/topology/thread_siblings_list"] = cpu_list(set(self.siblings(cpu))) + "\n"
            f[f"{base}/cpufreq/scaling_governor"] = "performance\n"
            for state, latency in enumerate((0, 2)):
                f[f"{base}/cpuidle/state{state}/latency"] = f"{latency}\n"
                f[f"{base}/cpuidle/state{state}/disable"] = "0\n"
        clock = "sys/devices/system/clocksource/clocksource0"
        f[f"{clock}/current_clocksource"] = "tsc\n"
        f[f"{clock}/available_clocksource"] = "tsc hpet acpi_pm \n"
        f["proc/cpuinfo"] = "".join(
            f"processor\t: {cpu}\nvendor_id\t: GenuineIntel\nflags\t\t: fpu tsc msr constant_tsc nonstop_tsc pni\n\n"
            for cpu in self.cpus)
        f["sys/class/dmi/id/sys_vendor"] = "Example Systems\n"
        f["sys/class/dmi/id/product_name"] = "Controller 4\n"

    def kernel(self):
        f, poll = self.files, cpu_list(self.poll)
        f["proc/sys/kernel/osrelease"] = "6.1.0-28-rt-amd64\n"
        f["proc/version"] = "Linux version 6.1.0-28-rt-amd64 (gcc-12) #1 SMP PREEMPT_RT Debian 6.1.119-1\n"
        f["sys/kernel/realtime"] = "1\n"
        f["proc/cmdline"] = (f"BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro isolcpus=managed_irq,domain,{poll} "
                             f"nohz_full={poll} rcu_nocbs={poll} irqaffinity={cpu_list(self.others)}\n")
        f["proc/sys/kernel/sched_rt_runtime_us"] = "-1\n"
        f["proc/sys/kernel/sched_rt_period_us"] = "1000000\n"
        f["proc/sys/kernel/timer_migration"] = "0\n"
        f["proc/sys/vm/stat_interval"] = "120\n"
        f["proc/sys/kernel/nmi_watchdog"] = "0\n"
        f["proc/sys/kernel/watchdog"] = "1\n"
        f["proc/sys/kernel/watchdog_cpumask"] = cpu_list(self.others) + "\n"
        f["sys/devices/virtual/workqueue/cpumask"] = cpu_mask(self.others, self.words) + "\n"

    def memory(self):
        f = self.files
        for node, cpus in enumerate(self.nodes):
            base = f"sys/devices/system/node/node{node}"
            f[f"{base}/cpulist"] = cpu_list(cpus) + "\n"
            f[f"{base}/distance"] = " ".join("10" if other == node else "21" for other in range(len(self.nodes))) + "\n"
            f[f"{base}/hugepages/hugepages-2048kB/nr_hugepages"] = "64\n"
            f[f"{base}/hugepages/hugepages-2048kB/free_hugepages"] = "32\n"
        f["sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"] = "64\n"
        f["sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"] = "32\n"
        f["proc/swaps"] = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        f["sys/kernel/mm/transparent_hugepage/enabled"] = "always [madvise] never\n"
        f["sys/kernel/mm/ksm/run"] = "0\n"
        f["proc/sys/kernel/numa_balancing"] = "0\n"

    def interrupts(self):
        f = self.files
        f["proc/irq/default_smp_affinity"] = cpu_mask(self.others, self.words) + "\n"
        for irq, owner in ((8, "rtc0"), (24, "nvme0q0"), (25, "eth0-rx-0")):
            f[f"proc/irq/{irq}/{owner}"] = FOLDER
            f[f"proc/irq/{irq}/smp_affinity_list"] = cpu_list(self.others) + "\n"
            f[f"proc/irq/{irq}/effective_affinity_list"] = f"{self.others[irq % len(self.others)] if self.others else 0}\n"
        f["proc/irq/7/smp_affinity_list"] = cpu_list(self.cpus) + "\n"  # nobody has asked for it
        f["proc/interrupts"] = self.interrupt_table()

    def interrupt_table(self, extra=()):
        def row(label, counts, rest):
            return f"{label:>4}: " + " ".join(f"{count:10}" for count in counts) + f"   {rest}\n"

        quiet = lambda busy: [busy if cpu not in self.poll else 0 for cpu in self.cpus]
        text = "     " + " ".join(f"{f'CPU{cpu}':>10}" for cpu in self.cpus) + "\n"
        text += row("8", quiet(1), "IR-IO-APIC    8-edge      rtc0")
        text += row("24", quiet(4711), "IR-PCI-MSIX-0000:01:00.0    0-edge      nvme0q0")
        text += row("25", quiet(815), "IR-PCI-MSIX-0000:02:00.0    0-edge      eth0-rx-0")
        text += row("LOC", [100000 if cpu not in self.poll else 40 for cpu in self.cpus], "Local timer interrupts")
        text += row("RES", quiet(9000), "Rescheduling interrupts")
        text += row("HYP", [0 for cpu in self.cpus], "Hypervisor callback interrupts")
        return text + " ERR:          0\n MIS:          0\n"

    def task(self, pid, tid, name, cpu, allowed=None, flags=0x400000, lock="0", **fields):
        f, allowed = self.files, self.cpus if allowed is None else allowed
        status = (f"Name:\t{name}\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{tid}\nVmLck:\t   {lock} kB\n"
                  f"CapEff:\t0000000000000000\nCpus_allowed:\t{cpu_mask(allowed, self.words)}\n"
                  f"Cpus_allowed_list:\t{cpu_list(allowed)}\n")
        f[f"proc/{pid}/task/{tid}/stat"] = stat_line(tid, name, cpu, flags, **fields)
        f[f"proc/{pid}/task/{tid}/status"] = status
        if tid == pid:
            f[f"proc/{pid}/comm"] = name + "\n"
            f[f"proc/{pid}/stat"] = stat_line(tid, name, cpu, flags, **fields)
            f[f"proc/{pid}/status"] = status

    def limits(self, where, memlock="unlimited", rtprio="99"):
        self.files[f"proc/{where}/limits"] = (
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            f"Max locked memory         {memlock:<20} {memlock:<20} bytes     \n"
            f"Max realtime priority     {rtprio:<20} {rtprio:<20} \n")

    def processes(self):
        home = self.others or list(self.cpus)
        self.task(1, 1, "systemd", home[0], home)
        self.task(2, 2, "kthreadd", home[0], home, KTHREAD)
        for cpu in self.cpus:
            self.task(20 + cpu, 20 + cpu, f"migration/{cpu}", cpu, [cpu], BOUND)
        self.task(600, 600, "a (very) odd) name", home[-1], home)
        self.task(600, 601, "worker", home[0], home)
        self.files["proc/600/task/not-a-thread/stat"] = "rubbish\n"
        self.service(700)
        self.shell(home)

    def service(self, pid):
        if not self.poll:
            return
        self.task(pid, pid, "ioreqd", self.others[0], self.others, lock="20480")
        for cpu in self.poll:
            self.task(pid, pid + 10 + cpu, "ioreqd-poll", cpu, [cpu], lock="20480")
        self.limits(pid)
        self.files[f"proc/{pid}/cgroup"] = "0::/system.slice/ioreqd.service\n"
        node = next(i for i, cpus in enumerate(self.nodes) if self.poll[0] in cpus)
        self.files[f"proc/{pid}/numa_maps"] = (
            f"55d000000000 default file=/usr/sbin/ioreqd mapped=40 N{node}=40 kernelpagesize_kB=4\n"
            f"7f0000000000 default file=/run/ioreqd/vm0.page mapped=2 N{node}=2 kernelpagesize_kB=4\n")

    def shell(self, allowed):
        """What /proc/self is for a doctor that finds no service."""
        f = self.files
        f["proc/self/status"] = f"Name:\tioreqctl\nVmLck:\t   0 kB\nCapEff:\t0000000000000000\nCpus_allowed_list:\t{cpu_list(allowed)}\n"
        self.limits("self")
        f["proc/self/cgroup"] = "0::/system.slice/ioreqd.service\n"
        f["sys/fs/cgroup/cpuset.cpus.effective"] = cpu_list(self.cpus) + "\n"
        f["sys/fs/cgroup/system.slice/cpuset.cpus.effective"] = cpu_list(self.cpus) + "\n"
        f["sys/fs/cgroup/system.slice/cpuset.cpus.partition"] = "member\n"
        f["sys/fs/cgroup/system.slice/ioreqd.service/cpuset.cpus.effective"] = cpu_list(self.cpus) + "\n"
        f["sys/fs/cgroup/system.slice/ioreqd.service/cpuset.cpus.partition"] = "member\n"

    def counters(self):
        self.files["proc/stat"] = "cpu  1 2 3 4 5 6 7 0 0 0\n" + "".join(
            f"cpu{cpu} 1000 0 200 90000 10 0 5 0 0 0\n" for cpu in self.cpus) + "intr 100 0 1\nctxt 1\n"


# ---- the machines -------------------------------------------------------------------------------------------------

def perfect():
    """Four cores, 2 and 3 poll; PREEMPT_RT of Debian 12, everything done."""
    return Machine(4, poll=(2, 3)).files


def two_nodes():
    """Eight cores on two nodes, two poll on the second; everything done."""
    return Machine(8, nodes=2, poll=(6, 7)).files


def laptop():
    """Eight threads of four cores, nothing done, no service: what a developer has."""
    machine = Machine(8, threads_per_core=2)
    f = machine.files
    f["proc/cmdline"] = "BOOT_IMAGE=/vmlinuz root=/dev/nvme0n1p2 ro quiet\n"
    f["proc/sys/kernel/osrelease"] = "6.12.9-amd64\n"
    f["proc/version"] = "Linux version 6.12.9-amd64 (gcc-14) #1 SMP PREEMPT_DYNAMIC\n"
    del f["sys/kernel/realtime"], f["sys/devices/system/cpu/nohz_full"]
    f["proc/sys/kernel/sched_rt_runtime_us"] = "950000\n"
    f["proc/sys/kernel/timer_migration"] = f["proc/sys/vm/stat_interval"] = f["proc/sys/kernel/nmi_watchdog"] = "1\n"
    f["sys/kernel/mm/transparent_hugepage/enabled"] = "[always] madvise never\n"
    f["sys/devices/virtual/workqueue/cpumask"] = "ff\n"
    f["proc/irq/default_smp_affinity"] = "ff\n"
    f["proc/swaps"] += "/dev/dm-1                               partition\t8388604\t\t0\t\t-2\n"
    f["sys/devices/system/cpu/vulnerabilities/spectre_v2"] = "Mitigation: Enhanced / Automatic IBRS\n"
    for cpu in machine.cpus:
        base = f"sys/devices/system/cpu/cpu{cpu}"
        f[f"{base}/cpufreq/scaling_governor"] = "powersave\n"
        f[f"{base}/cpuidle/state2/latency"], f[f"{base}/cpuidle/state2/disable"] = "350\n", "0\n"
        machine.task(1000 + cpu, 1000 + cpu, "browser", cpu)
    for kind in ("nr", "free"):
        f[f"sys/devices/system/node/node0/hugepages/hugepages-2048kB/{kind}_hugepages"] = "0\n"
    machine.limits("self", "8388608", "0")
    return f


def partition():
    """As perfect, but isolated by a cgroup partition instead of isolcpus=: `isolated` names no core then (6.1)."""
    f = perfect()
    f["sys/devices/system/cpu/isolated"] = "\n"
    f["proc/cmdline"] = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1\n"
    f["sys/fs/cgroup/rt.slice/cpuset.cpus.effective"] = "2-3\n"
    f["sys/fs/cgroup/rt.slice/cpuset.cpus.partition"] = "isolated\n"
    f["sys/fs/cgroup/rt.slice/ioreqd.service/cpuset.cpus.effective"] = "2-3\n"
    f["sys/fs/cgroup/rt.slice/ioreqd.service/cpuset.cpus.partition"] = "member\n"
    f["sys/fs/cgroup/system.slice/cpuset.cpus.effective"] = "0-1\n"
    f["proc/700/cgroup"] = "0::/rt.slice/ioreqd.service\n"
    return f


def server():
    """128 threads on two sockets; 60 to 63 poll, their siblings are online, and the page lies on the other socket."""
    f = Machine(128, nodes=2, poll=range(60, 64), threads_per_core=2).files
    f["proc/700/numa_maps"] = f["proc/700/numa_maps"].replace("vm0.page mapped=2 N0=2", "vm0.page mapped=2 N1=2")
    f["proc/sys/kernel/numa_balancing"] = "1\n"
    return f


def unreadable():
    """As perfect, but nothing except the online cores and the names of processes can be read."""
    keep = ("sys/devices/system/cpu/online", "proc/700/comm", "proc/700/stat")
    files = {path: UNREADABLE for path in perfect() if path not in keep}
    files.update({path: text for path, text in perfect().items() if path in keep})
    # Where the doctor looks whether a file is there at all.
    files["dev/kvm"] = UNREADABLE
    return files


def hostile():
    """As perfect, but every file but the online cores holds what its reader cannot want; each in its turn."""
    junk = ("", "-1", "0-99999999", "99999999999999999999999999", "x" * 3000000, "\x00\x01\x02\xff" * 300, "((((", "\n" * 5000,
            "3-1", "%s%n%s", "\x1b[31m\x1b]0;title\x07", ": : : :", "1,,2", "CPU0 CPU1\n 1: 1", "0" * 100)
    files = {}
    for i, path in enumerate(sorted(perfect())):
        files[path] = junk[i % len(junk)]
    files["sys/devices/system/cpu/online"] = "0-3\n"
    files["proc/self/status"] = Link("../../../../../../../../etc/passwd")
    return files


MACHINES = {machine.__name__.replace("_", "-"): machine
            for machine in (perfect, two_nodes, laptop, partition, server, unreadable, hostile)}


# ---- files --------------------------------------------------------------------------------------------------------

def write(files, target):
    for path, content in files.items():
        full = os.path.join(target, path)
        if content is FOLDER:
            os.makedirs(full, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if content is UNREADABLE:
            os.symlink(os.path.basename(full), full)
        elif isinstance(content, Link):
            os.symlink(content, full)
        else:
            with open(full, "wb") as file:
                file.write(content.encode("latin-1"))


# What is recorded: the files that the doctor reads. A pattern of full paths, and what of the text is changed.
RECORDED = [
    r"/proc/(cmdline|cpuinfo|interrupts|stat|swaps|version)",
    r"/proc/self/(cgroup|limits|status)", r"/proc/\d+/task/\d+/stat", r"/dev/(kvm|acrn_hsm)",
    r"/proc/irq/default_smp_affinity", r"/proc/irq/\d+/(effective_affinity_list|smp_affinity_list)",
    r"/proc/sys/kernel/(osrelease|sched_rt_(runtime|period)_us|timer_migration|nmi_watchdog|watchdog|watchdog_cpumask"
    r"|numa_balancing)", r"/proc/sys/vm/stat_interval",
    r"/sys/devices/system/cpu/(online|possible|isolated|nohz_full)", r"/sys/devices/system/cpu/vulnerabilities/\w+",
    r"/sys/devices/system/cpu/cpu\d+/(topology/thread_siblings_list|cpufreq/scaling_governor)",
    r"/sys/devices/system/cpu/cpu\d+/cpuidle/state\d+/(latency|disable)",
    r"/sys/devices/system/clocksource/clocksource0/(current|available)_clocksource",
    r"/sys/devices/system/node/node\d+/(cpulist|distance)",
    r"/sys/devices/system/node/node\d+/hugepages/hugepages-\w+/(nr|free)_hugepages",
    r"/sys/kernel/mm/(ksm/run|transparent_hugepage/enabled)", r"/sys/kernel/mm/hugepages/hugepages-\w+/(nr|free)_hugepages",
    r"/sys/kernel/realtime", r"/sys/devices/virtual/workqueue/cpumask", r"/sys/hypervisor/type",
    r"/sys/class/dmi/id/(sys_vendor|product_name)", r"/sys/fs/cgroup/cpuset/cpuset.effective_cpus",
    r"/sys/fs/cgroup/cpuset.cpus.(effective|partition)", r"/sys/fs/cgroup/cpu/cpu.rt_(runtime|period)_us",
]
WALKED = ["/proc", "/sys/devices/system/cpu", "/sys/devices/system/clocksource", "/sys/devices/system/node",
          "/sys/kernel/mm", "/sys/kernel/realtime", "/sys/devices/virtual/workqueue", "/sys/hypervisor", "/sys/class/dmi/id",
          "/sys/fs/cgroup"]
# The rest of the line is nobody's business: arguments of init, file systems, names of machines.
KEPT_PARAMETERS = r"(isolcpus|nohz_full|rcu_nocbs|irqaffinity|mitigations|quiet|clocksource|tsc)(=|$)"


def disguise(path, text):
    """Takes out what names people's programs; kernel threads and the doctor's facts stay."""
    if path == "/proc/cmdline":
        return " ".join(word for word in text.split(" -- ")[0].split() if re.match(KEPT_PARAMETERS, word)) + "\n"
    if path == "/proc/version":
        return re.sub(r"\([^)]*@[^)]*\) ", "", text)
    if path.endswith("/cgroup"):
        return re.sub(r":/.+", ":/", text)
    if path == "/proc/cpuinfo":
        return "".join(line for line in text.splitlines(True) if re.match(r"processor|vendor_id|flags|\n", line))
    if path == "/proc/stat":
        return "".join(line for line in text.splitlines(True) if line.startswith("cpu"))
    if re.match(r"/proc/(\d+|self)/", path):
        if path.endswith("/stat"):
            name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 1:].split()
            name = name if int(rest[6]) & 0x200000 else "task"
            return stat_line(int(text.split()[0]), name, int(rest[36]), int(rest[6]), int(rest[9]), rest[0], int(rest[19]))
        if path.endswith("/status"):
            return "".join(line for line in text.splitlines(True) if re.match("VmLck|CapEff|Cpus_allowed", line))
        if path.endswith("/limits"):
            return "".join(line for line in text.splitlines(True) if re.match("Limit|Max (locked|realtime p)", line))
    return text


def walk():
    for top in WALKED:
        if os.path.isfile(top):
            yield top, False
        for folder, folders, files in os.walk(top):
            # /proc/PID holds more than anybody needs.
            if re.fullmatch(r"/proc/\d+", folder):
                folders[:] = ["task"]
            elif re.fullmatch(r"/proc/\d+/task/\d+", folder):
                folders[:] = []
            elif folder == "/proc":
                folders[:] = [name for name in folders if re.fullmatch(r"\d+|irq|sys", name)]
            elif folder.startswith("/proc/self"):
                continue
            if re.fullmatch(r"/proc/irq/\d+/.+", folder):
                yield folder, True
            for name in files:
                yield f"{folder}/{name}", False
    for name in ("status", "limits", "cgroup"):
        yield f"/proc/self/{name}", False
    for name in ("/dev/kvm", "/dev/acrn_hsm"):
        if os.path.exists(name):
            yield name, False


def record(target):
    patterns = [re.compile(pattern) for pattern in RECORDED]
    with open(target, "w", encoding="latin-1") as out:
        out.write("# Recorded by tests/doctor/trees.py record; a path, how many lines follow, the lines with | in front.\n")
        for path, folder in sorted(walk()):
            if folder:
                out.write(f"{path[1:]} folder\n")
                continue
            if not any(pattern.fullmatch(path) for pattern in patterns):
                continue
            try:
                # Of a device it is enough that it is there.
                text = "" if path.startswith("/dev/") else disguise(path, open(path, encoding="latin-1").read())
            except OSError:
                continue
            lines = text.split("\n")
            out.write(f"{path[1:]} {len(lines)}\n" + "".join(f"|{line}\n" for line in lines))


def unpack(source, target):
    files = {}
    with open(source, encoding="latin-1") as file:
        lines = iter(file.read().split("\n"))
    for line in lines:
        if not line or line.startswith("#"):
            continue
        path, what = line.rsplit(" ", 1)
        files[path] = FOLDER if what == "folder" else "\n".join(next(lines)[1:] for _ in range(int(what)))
    write(files, target)


def main(arguments):
    if arguments == ["list"]:
        print("\n".join(MACHINES))
    elif len(arguments) == 3 and arguments[0] == "generate" and arguments[1] in MACHINES:
        machine = MACHINES[arguments[1]]
        write(machine(), arguments[2])
        with open(os.path.join(arguments[2], "GENERATED"), "w", encoding="ascii") as file:
            file.write(f"Generated by tests/doctor/trees.py, no real machine: {machine.__doc__}\n")
    elif len(arguments) == 2 and arguments[0] == "record":
        record(arguments[1])
    elif len(arguments) == 3 and arguments[0] == "unpack":
        unpack(arguments[1], arguments[2])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
