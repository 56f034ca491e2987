"""Give up everything this process does not need, in an order in which each step still can: namespaces and the scratch
folder while mounting is possible, then limits, the file rules of Landlock, capabilities, and last the seccomp filter.

Behind bubblewrap the namespaces and the files are settled already, and only limits, capabilities and the filter are
put on. Without it (`files` is set) Landlock rules say which files can be opened; being a single process, the code needs
no pid namespace, because the filter lets it signal nobody. Namespaces are then one more wall, where the host permits
them. Limits, capabilities and the filter are never optional: a failure there is an error, and the code does not run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import stat
import struct
from pathlib import Path
from typing import Any

from . import seccomp

MIB = 1024 * 1024
OPEN_FILES = 256

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
PR_SET_PDEATHSIG = 1

# landlock(7): the rights a ruleset handles, by the version of the interface that brought them.
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
RIGHTS_1 = (1 << 13) - 1
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
SCOPE_ALL = 0b11
ON_A_FILE = 1 << 0 | 1 << 1 | READ_FILE | TRUNCATE | IOCTL_DEV

_libc = ctypes.CDLL(None, use_errno=True)


def confine(policy: dict[str, Any]) -> None:
    """Apply a policy: `memory_mb`, `cpu_seconds`, `file_mb`, `network`, and, without bubblewrap, `files`: {`read`, `write`,
    `list`: paths; `scratch`: an empty folder or None}. Raises OSError or LookupError, and then must not go on."""
    files = policy.get("files")
    if files is not None:
        apart = _namespaces(policy["network"])
        scratch = files["scratch"]
        # Without a mount namespace of its own, root would mount on the host.
        if apart and scratch and _mount_scratch(scratch, policy["file_mb"]):
            files["write"].append(scratch)
            os.environ["TMPDIR"] = scratch
            os.chdir(scratch)
        else:
            os.chdir("/")
    _limit(policy)
    _call("prctl", _libc.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if files is not None:
        _landlock(files)
    _drop_capabilities()
    _call("prctl", _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != policy.get("parent", os.getppid()):
        raise OSError("the parent ended first")
    seccomp.install(policy["network"], metadata=files is None)


def _call(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _namespaces(network: bool) -> bool:
    uid, gid = os.getuid(), os.getgid()
    apart = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | (0 if network else CLONE_NEWNET)
    if _libc.unshare(apart) < 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{name}").write_text(text)
    return True


def _mount_scratch(path: str, megabytes: int) -> bool:
    options = f"size={megabytes}m,nr_inodes=10000,mode=700".encode()
    return _libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0


def _limit(policy: dict[str, Any]) -> None:
    memory, file, cpu = policy["memory_mb"] * MIB, policy["file_mb"] * MIB, policy["cpu_seconds"]
    for what, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, file, file),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        ceiling = resource.getrlimit(what)[1]
        most = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
        resource.setrlimit(what, (min(soft, most), most))


def _landlock(files: dict[str, Any]) -> None:
    version = _call("landlock_create_ruleset", _libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))
    handled = RIGHTS_1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        handled |= right if version >= since else 0
    scoped = SCOPE_ALL if version >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = _call(
        "landlock_create_ruleset", _libc.syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    )
    try:
        rules = [(path, READ_FILE | READ_DIR) for path in files["read"]]
        rules += [(path, handled) for path in files["write"]]
        rules += [(path, READ_DIR) for path in files["list"]]
        for path, rights in rules:
            _allow_below(ruleset, path, rights & handled)
        _call("landlock_restrict_self", _libc.syscall(LANDLOCK_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow_below(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= ON_A_FILE
        rule = struct.pack("=Qi", rights, place)
        _call(f"landlock_add_rule {path}", _libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0))
    finally:
        os.close(place)


def _drop_capabilities() -> None:
    header = struct.pack("=Ii", 0x20080522, 0)
    _call("capset", _libc.capset(header, bytes(24)))
