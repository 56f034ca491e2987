"""Which system calls the sandbox may make: a seccomp filter in classic BPF, assembled here so that nothing is compiled.

The filter is a list of what may be done; the kernel's next system call is not on it. What is not named fails with
ENOSYS, so that libraries fall back to older calls, and what an attack would try first fails with EPERM, so that its
author reads "not permitted". No call can start a process: `fork`, `vfork` and `clone` without CLONE_THREAD fail with
EAGAIN, `clone3`, whose flags a filter cannot see, with ENOSYS. Signals go to the process itself alone. Unless the
network is allowed no socket can be made but a connected pair (asyncio needs one), and that pair can be pointed nowhere.

Numbers are the kernel's for x86_64 and aarch64 ("-": the architecture has no such call); the rest is seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct

ALLOWED = """
read 0 63 | write 1 64 | pread64 17 67 | pwrite64 18 68 | readv 19 65 | writev 20 66 | preadv 295 69
pwritev 296 70 | preadv2 327 286 | pwritev2 328 287 | close 3 57 | close_range 436 436 | lseek 8 62
fsync 74 82 | fdatasync 75 83 | ftruncate 77 46 | fallocate 285 47 | dup 32 23 | dup2 33 - | dup3 292 24
pipe 22 - | pipe2 293 59 | flock 73 32 | sendfile 40 71 | copy_file_range 326 285 | splice 275 76
fadvise64 221 223 | creat 85 - | stat 4 - | lstat 6 - | fstat 5 80
newfstatat 262 79 | statx 332 291 | statfs 137 43 | fstatfs 138 44 | access 21 - | faccessat 269 48
faccessat2 439 439 | readlink 89 - | readlinkat 267 78 | getdents 78 - | getdents64 217 61 | getcwd 79 17
chdir 80 49 | fchdir 81 50 | mkdir 83 - | mkdirat 258 34 | rmdir 84 - | unlink 87 - | unlinkat 263 35
rename 82 - | renameat 264 38 | renameat2 316 276 | link 86 - | linkat 265 37 | symlink 88 - | symlinkat 266 36
umask 95 166
poll 7 - | ppoll 271 73 | select 23 - | pselect6 270 72 | epoll_create 213 - | epoll_create1 291 20
epoll_ctl 233 21 | epoll_wait 232 - | epoll_pwait 281 22 | epoll_pwait2 441 441 | eventfd 284 -
eventfd2 290 19 | timerfd_create 283 85 | timerfd_settime 286 86 | timerfd_gettime 287 87 | nanosleep 35 101
clock_nanosleep 230 115 | pause 34 -
mmap 9 222 | munmap 11 215 | mremap 25 216 | mprotect 10 226 | madvise 28 233 | brk 12 214 | msync 26 227
mincore 27 232 | mlock 149 228 | munlock 150 229 | futex 202 98 | set_robust_list 273 99
get_robust_list 274 100 | rseq 334 293 | membarrier 324 283 | set_tid_address 218 96 | arch_prctl 158 -
sched_yield 24 124 | sched_getaffinity 204 123 | sched_getscheduler 145 120 | sched_getparam 143 121
sched_get_priority_max 146 125 | sched_get_priority_min 147 126 | getpriority 140 141 | getcpu 309 168
rt_sigprocmask 14 135 | rt_sigreturn 15 139 | rt_sigpending 127 136 | rt_sigsuspend 130 133
rt_sigtimedwait 128 137 | sigaltstack 131 132 | alarm 37 - | setitimer 38 103 | getitimer 36 102
restart_syscall 219 128 | clock_gettime 228 113 | clock_getres 229 114 | gettimeofday 96 169 | time 201 -
times 100 153 | getrusage 98 165
getpid 39 172 | getppid 110 173 | gettid 186 178 | getuid 102 174 | geteuid 107 175 | getgid 104 176
getegid 108 177 | getgroups 115 158 | getresuid 118 148 | getresgid 120 150 | getpgid 121 155 | getpgrp 111 -
getsid 124 156 | getrandom 318 278 | uname 63 160 | sysinfo 99 179 | getrlimit 97 163 | wait4 61 260
waitid 247 95 | exit 60 93 | exit_group 231 94
socketpair 53 199 | shutdown 48 210 | recvfrom 45 207 | recvmsg 47 212 | recvmmsg 299 243 | getsockopt 55 209
setsockopt 54 208 | getsockname 51 204 | getpeername 52 205
"""

NETWORK = """
connect 42 203 | bind 49 200 | listen 50 201 | accept 43 202 | accept4 288 242 | sendmsg 46 211
sendmmsg 307 269
"""

METADATA = """
chmod 90 - | fchmod 91 52 | fchmodat 268 53 | utime 132 - | utimes 235 - | futimesat 261 - | utimensat 280 88
fchmodat2 452 452
"""

FORKS = """
fork 57 - | vfork 58 -
"""

CHECKED = """
clone 56 220 | open 2 - | openat 257 56 | socket 41 198 | sendto 44 206 | kill 62 129 | tgkill 234 131
prlimit64 302 261 | prctl 157 167
ioctl 16 29 | fcntl 72 25 | rt_sigaction 13 134
"""

REFUSED = """
execve 59 221 | execveat 322 281 | tkill 200 130 | pidfd_open 434 434 | pidfd_send_signal 424 424
pidfd_getfd 438 438 | rt_sigqueueinfo 129 138 | rt_tgsigqueueinfo 297 240 | ptrace 101 117
process_vm_readv 310 270 | process_vm_writev 311 271 | kcmp 312 272 | mount 165 40 | umount2 166 39
unshare 272 97 | setns 308 268 | pivot_root 155 41 | chroot 161 51 | bpf 321 280 | keyctl 250 219
add_key 248 217 | request_key 249 218 | perf_event_open 298 241 | io_uring_setup 425 425 | userfaultfd 323 282
setuid 105 146 | setgid 106 144 | setpgid 109 154 | setsid 112 157 | setpriority 141 140 | truncate 76 45
chown 92 - | fchown 93 55 | lchown 94 - | fchownat 260 54 | memfd_create 319 279 | shmget 29 194 | shmat 30 196
msgget 68 186 | semget 64 190 | mq_open 240 180 | seccomp 317 277 | capset 126 91 | personality 135 92
open_by_handle_at 304 265 | reboot 169 142
"""

TABLES = (ALLOWED, NETWORK, METADATA, FORKS, CHECKED, REFUSED)

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
X32_BIT = 0x40000000

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NUMBER, ARCHITECTURE = 0, 4

CLONE_THREAD = 0x10000
AF_INET, AF_INET6 = 2, 10
O_ACCMODE, O_TRUNC = 0o3, 0o1000
PR_SET_NAME, PR_GET_NAME = 15, 16
# Questions about a file: is it a terminal, how much waits in it; and two flags of the descriptor itself.
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# What sends signals or breaks leases on behalf of the kernel: F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY.
FCNTLS_REFUSED = (8, 10, 15, 1024, 1026)

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]


def program(machine: str, pid: int, network: bool, metadata: bool) -> list[Instruction]:
    """The filter for process `pid` on `machine`, as (code, jump if true, jump if false, value). `metadata` allows to
    change modes and times of files, which only a mount protects. Raises LookupError for a machine without a table."""
    architecture, column = ARCHITECTURES[machine]
    numbers = {name: int(row[column]) for name, *row in _rows(*TABLES) if row[column] != "-"}

    def fail(number: int) -> Instruction:
        return (RETURN, 0, 0, 0x00050000 | number)

    allow: Instruction = (RETURN, 0, 0, ALLOW)
    refuse = fail(errno.EPERM)

    def when(name: str, *body: Instruction) -> list[Instruction]:
        return [(JUMP_EQUAL, 0, len(body), numbers[name]), *body] if name in numbers else []

    def low(argument: int) -> Instruction:
        return (LOAD, 0, 0, 16 + 8 * argument)

    def high(argument: int) -> Instruction:
        return (LOAD, 0, 0, 20 + 8 * argument)

    def one_of(argument: int, values: tuple[int, ...], then: Instruction, otherwise: Instruction) -> list[Instruction]:
        tests = [(JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
        return [low(argument), *tests, otherwise, then]

    lines: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32_BIT),
        fail(errno.ENOSYS),
    ]
    for name, *_ in _rows(ALLOWED):
        lines += when(name, allow)
    for name, *_ in _rows(NETWORK):
        lines += when(name, allow if network else fail(errno.EACCES))
    for name, *_ in _rows(METADATA):
        lines += when(name, allow if metadata else refuse)
    for name, *_ in _rows(FORKS):
        lines += when(name, fail(errno.EAGAIN))
    for name, *_ in _rows(REFUSED):
        lines += when(name, refuse)
    lines += when("clone", low(0), (JUMP_SET, 1, 0, CLONE_THREAD), fail(errno.EAGAIN), allow)
    # Truncating through a descriptor for reading gets past the Landlock of kernels before 6.2.
    for name, flags in (("open", 1), ("openat", 2)):
        truncates, writes = (JUMP_SET, 1, 0, O_TRUNC), (JUMP_SET, 1, 0, O_ACCMODE)
        lines += when(name, low(flags), truncates, allow, writes, refuse, allow)
    families = (AF_INET, AF_INET6) if network else ()
    lines += when("socket", *one_of(0, families, allow, fail(errno.EACCES)))
    nowhere = (low(4), (JUMP_EQUAL, 0, 2, 0), high(4), (JUMP_EQUAL, 1, 0, 0), fail(errno.EACCES), allow)
    lines += when("sendto", *((allow,) if network else nowhere))
    for name in ("kill", "tgkill"):
        lines += when(name, *one_of(0, (pid,), allow, refuse))
    lines += when("prlimit64", *one_of(0, (0, pid), allow, refuse))
    lines += when("prctl", *one_of(0, (PR_SET_NAME, PR_GET_NAME), allow, refuse))
    lines += when("ioctl", *one_of(1, IOCTLS, allow, fail(errno.ENOTTY)))
    lines += when("fcntl", *one_of(1, FCNTLS_REFUSED, refuse, allow))
    # The signal of the CPU limit keeps its meaning, so that the parent can tell what ended the process.
    lines += when("rt_sigaction", *one_of(0, (signal.SIGXCPU,), refuse, allow))
    return [*lines, fail(errno.ENOSYS)]


def install(network: bool, metadata: bool) -> None:
    """Put the filter on this process, for good. It must have one thread. Raises OSError, LookupError."""
    lines = program(os.uname().machine, os.getpid(), network, metadata)
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxP", len(lines), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, header, 0, 0)):
        if libc.prctl(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({arguments[0]}): {os.strerror(number)}")


def _rows(*tables: str) -> list[list[str]]:
    return [cell.split() for table in tables for line in table.split("\n") if line for cell in line.split(" | ")]
