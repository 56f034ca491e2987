"""Attacks on the sandbox. Each is real code in a real process; each ends in a named error, and the host is unharmed."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import platform
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.nodes.stub import Step

from penstock.errors import StepFailed, Unavailable
from penstock.nodes.sandbox.cpython import CPython
from penstock.nodes.sandbox.inside import seccomp
from penstock.nodes.sandbox.job import LOG_LINES, Job, Log
from penstock.nodes.sandbox.monty import Monty

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(platform.system() != "Linux", reason="platform: the walls are Linux's"),
]

NO_BWRAP = pytest.mark.skipif(
    shutil.which("bwrap") is None and os.environ.get("CI") != "true", reason="bubblewrap is not installed"
)
WALLS = [pytest.param("bwrap", marks=NO_BWRAP), "landlock"]


@pytest.fixture(scope="module", params=WALLS)
async def wall(request, anyio_backend):
    """The cpython runtime behind one wall."""
    return CPython((request.param,))


@pytest.fixture(scope="module", params=["monty", *WALLS])
async def runtime(request, anyio_backend):
    runtime = Monty(workers=1) if request.param == "monty" else CPython((request.param,))
    yield runtime
    if isinstance(runtime, Monty):
        await runtime.aclose()


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


async def run(runtime, step: Step, source: str, **job):
    limits = {"seconds": 10.0, "memory_mb": 256} | job
    async with Log(step) as log:
        return await runtime.run(Job(source=textwrap.dedent(source), **limits), log)


async def failing(runtime, step: Step, source: str, **job) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        await run(runtime, step, source, **job)
    return caught.value


def exists(*paths: str) -> list[bool]:
    return [Path(path).exists() for path in paths]


# ------------------------------------------------------------------------------------ what every runtime refuses
# Signals are number 0, which asks for permission and does nothing, and forks are single: a hole in the wall must fail a
# test, not the machine.

ANY_RUNTIME = {
    "read a file": "def main(input):\n    return open('/etc/passwd').read()",
    "list a folder": "from pathlib import Path\ndef main(input):\n    return [str(p) for p in Path('/var').iterdir()]",
    "read the parent's environment": "def main(input):\n    return open('/proc/' + str(input) + '/environ').read()",
    "read its own environment": "def main(input):\n    return open('/proc/self/environ').read()",
    "read the parent's memory": "def main(input):\n    return open('/proc/' + str(input) + '/mem').read()",
    "open a socket": "import socket\ndef main(input):\n    socket.socket()",
    "start a process": "import subprocess\ndef main(input):\n    return subprocess.run(['/bin/sh', '-c', 'id'])",
    "fork": "import os\ndef main(input):\n    os.fork()",
    "become a shell": "import os\ndef main(input):\n    os.execv('/bin/sh', ['sh', '-c', 'id'])",
    "kill the parent": "import os\ndef main(input):\n    os.kill(input, 0)",
    "kill everyone": "import os\ndef main(input):\n    os.kill(-1, 0)",
    "recurse for ever": "def main(input):\n    return main(input)",
}


@pytest.mark.parametrize("source", ANY_RUNTIME.values(), ids=ANY_RUNTIME.keys())
async def test_no_runtime_lets_out(runtime, step, source):
    error = await failing(runtime, step, source, input=os.getpid())
    assert error.code == "code.raised"
    assert not error.retryable
    refusals = {"PermissionError", "FileNotFoundError", "BlockingIOError", "ModuleNotFoundError", "AttributeError"}
    assert error.detail["type"] in refusals | {"RecursionError"}


async def test_code_does_not_see_the_hosts_environment(runtime, step, monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_SECRET", "s3cret")
    source = "import os\ndef main(input):\n    return dict(os.environ)"
    seen = await run(runtime, step, source, env={"GREETING": "hello"})
    assert seen.pop("GREETING") == "hello"
    assert set(seen) <= {"TMPDIR"}
    assert (await run(runtime, step, "import os\ndef main(input):\n    return os.getenv('HOME', 'none')")) == "none"


MEMORY_BOMBS = {
    "a little more": "def main(input):\n    return len('x' * 160_000_000)",
    "one block": "def main(input):\n    return len('x' * 10**10)",
    "a growing list": "def main(input):\n    rows = []\n    while True: rows.append('x' * 100_000)",
}


@pytest.mark.parametrize("source", MEMORY_BOMBS.values(), ids=MEMORY_BOMBS.keys())
async def test_memory_is_bounded(runtime, step, source):
    error = await failing(runtime, step, source, memory_mb=128)
    assert error.code == "code.memory"
    assert not error.retryable
    assert error.detail == {"memory_mb": 128}


@pytest.mark.parametrize("swallow", [False, True])
async def test_time_is_bounded(runtime, step, swallow):
    source = "def main(input):\n    while True: pass"
    if swallow:
        source = """
            def main(input):
                while True:
                    try:
                        while True: pass
                    except BaseException: pass
            """
    error = await failing(runtime, step, source, seconds=0.5)
    assert error.code == "code.timeout"
    assert error.retryable
    assert error.detail == {"seconds": 0.5}


async def test_a_giant_integer_is_out_of_memory_or_time(runtime, step):
    error = await failing(runtime, step, "def main(input):\n    return 10 ** 10 ** 10", seconds=0.5)
    assert error.code in ("code.memory", "code.timeout")


async def test_sleeping_counts_as_time(runtime, step):
    error = await failing(runtime, step, "import time\ndef main(input):\n    time.sleep(60)", seconds=0.3)
    assert error.code == "code.timeout"


async def test_cpu_time_has_its_own_limit(runtime, step):
    error = await failing(runtime, step, "def main(input):\n    while True: pass", seconds=20.0, cpu_seconds=1.0)
    assert error.code == "code.timeout"
    assert "CPU" in error.message


async def test_a_flood_of_prints_is_cut_and_says_so(runtime, step):
    source = "def main(input):\n    for i in range(20_000): print('line', i)\n    return 'done'"
    assert await run(runtime, step, source) == "done"
    assert step.notes[:2] == ["line 0", "line 1"]
    assert len(step.notes) == LOG_LINES + 1
    assert "output cut" in step.notes[-1]


async def test_one_endless_line_is_cut(runtime, step):
    source = "def main(input):\n    print('x' * 1_000_000)\n    print('next')\n    print('no newline', end='')"
    await run(runtime, step, source)
    assert len(step.notes[0]) < 5_000 and step.notes[0].endswith("(line cut)")
    assert step.notes[1:] == ["next", "no newline"]


async def test_a_result_is_bounded(runtime, step):
    error = await failing(runtime, step, "def main(input):\n    return 'x' * 5_000_000", output_kb=64)
    assert error.code == "code.output_too_large"
    assert not error.retryable
    assert error.detail == {"size": 5_000_002}


async def test_what_is_printed_is_never_the_result(runtime, step):
    forged = '{"value": "forged"}'
    source = f"def main(input):\n    print('ready')\n    print('{forged}')\n    return 'true'"
    assert await run(runtime, step, source) == "true"
    assert step.notes == ["ready", forged]


async def test_cancelling_returns_within_a_second_and_frees_the_place(runtime, step):
    source = "def main(input):\n    print('here')\n    while True: pass"
    task = asyncio.create_task(run(runtime, step, source, seconds=60))
    async with asyncio.timeout(10):
        while not step.notes:  # noqa: ASYNC110  (a note of a stub is no event)
            await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(1):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await run(runtime, step, "def main(input):\n    return 1") == 1


async def test_allowed_folders_are_what_they_are_and_no_more(runtime, step, tmp_path):
    inside, outside, ours = tmp_path / "in", tmp_path / "out", tmp_path / "write"
    for folder in (inside, outside, ours):
        folder.mkdir()
        (folder / "note.txt").write_text(folder.name)
    (inside / "link").symlink_to(outside / "note.txt")
    (inside / "absolute").symlink_to("/etc/passwd")
    (ours / "up").symlink_to("../out")
    allow = {"read": (str(inside),), "write": (str(ours),)}
    read = "def main(input):\n    return open(input).read()"
    write = "def main(input):\n    with open(input, 'w') as file: file.write('changed')"

    assert await run(runtime, step, read, input=f"{inside}/note.txt", **allow) == "in"
    await run(runtime, step, write, input=f"{ours}/new.txt", **allow)
    assert (ours / "new.txt").read_text() == "changed"
    for path in (
        f"{outside}/note.txt",
        f"{inside}/../out/note.txt",
        f"{inside}/link",
        f"{inside}/absolute",
        f"{ours}/up/note.txt",
    ):
        assert (await failing(runtime, step, read, input=path, **allow)).code == "code.raised"
    for path in (f"{inside}/note.txt", f"{inside}/new.txt", f"{outside}/note.txt", f"{ours}/up/note.txt"):
        assert (await failing(runtime, step, write, input=path, **allow)).code == "code.raised"
    assert (inside / "note.txt").read_text() == "in"
    assert (outside / "note.txt").read_text() == "out"
    assert not (inside / "new.txt").exists()


# ------------------------------------------------------------------------------------ what only a real Python can try

REFUSED = {
    "open a shell": "import os\ndef main(i):\n    os.posix_spawn('/bin/sh', ['sh'], {})",
    "vfork": "import os\nimport subprocess\ndef main(i):\n    subprocess.Popen(['/bin/true'], close_fds=False)",
    "fork for multiprocessing": (
        "import multiprocessing as m\ndef main(i):\n    p = m.get_context('fork').Process(target=print)\n    p.start()"
    ),
    "talk over the network": "import socket\ndef main(i):\n    socket.create_connection(('127.0.0.1', i), 2)",
    "talk from asyncio": "import asyncio\nasync def main(i):\n    await asyncio.open_connection('127.0.0.1', i)",
    "listen": "import socket\ndef main(i):\n    socket.create_server(('127.0.0.1', 0))",
    "a local socket": "import socket\ndef main(i):\n    socket.socket(socket.AF_UNIX)",
    "a raw socket": "import socket\ndef main(i):\n    socket.socket(socket.AF_INET, socket.SOCK_RAW)",
    "netlink": "import socket\ndef main(i):\n    socket.socket(socket.AF_NETLINK)",
    "redirect a connected pair": (
        "import socket\ndef main(i):\n"
        "    a, b = socket.socketpair(type=socket.SOCK_DGRAM)\n    a.sendto(b'x', '/run/docker.sock')"
    ),
    "reconnect a connected pair": (
        "import socket\ndef main(i):\n"
        "    a, b = socket.socketpair(type=socket.SOCK_DGRAM)\n    a.connect('/run/docker.sock')"
    ),
    "kill its group": "import os\ndef main(i):\n    os.kill(0, 0)",
    "kill by process group": "import os\ndef main(i):\n    os.killpg(os.getpgrp(), 0)",
    "kill its parent": "import os\ndef main(i):\n    os.kill(os.getppid(), 0)",
    "kill through a pidfd": "import os, signal\ndef main(i):\n    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)",
    "have the kernel send signals": (
        "import fcntl, os\ndef main(i):\n    r, w = os.pipe()\n    fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())"
    ),
    "a session of its own": "import os\ndef main(i):\n    os.setsid()",
    "raise its memory limit": (
        "import resource\ndef main(i):\n    resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))"
    ),
    "limit its parent": (
        "import os, resource\ndef main(i):\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))"
    ),
    "catch the end of its CPU time": "import signal\ndef main(i):\n    signal.signal(signal.SIGXCPU, lambda *a: None)",
    "become root": "import os\ndef main(i):\n    os.setuid(0)",
    "leave its root": "import os\ndef main(i):\n    os.chroot('/')",
    "read the kernel": "def main(i):\n    open('/proc/kcore', 'rb').read(1)",
    "read a disk": "def main(i):\n    open('/dev/vda', 'rb').read(1)",
    "read shared memory": "import os\ndef main(i):\n    os.listdir('/dev/shm')",
    "write to the system": "def main(i):\n    open('/etc/penstock-was-here', 'w')",
    "write beside the library": "import os\ndef main(i):\n    open(os.__file__ + '.new', 'w')",
    "change the library": "import os\ndef main(i):\n    open(os.__file__, 'a')",
    "write to the root": "def main(i):\n    open('/penstock-was-here', 'w')",
    "make a device": "import os, stat\ndef main(i):\n    os.mknod('zero', stat.S_IFCHR | 0o666, os.makedev(1, 5))",
    "fill the disk": "def main(i):\n    with open('big', 'wb') as f:\n        while True: f.write(bytes(1 << 20))",
    "fill the disk with files": (
        "def main(i):\n    for n in range(1000):\n        with open(f'big{n}', 'wb') as f: f.write(bytes(1 << 20))"
    ),
    "use installed packages": (
        "import sys\ndef main(i):\n    sys.path.append(sys.path[-1].rpartition('/')[0] + '/site-packages')\n    import pip"
    ),
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED.keys())
async def test_no_wall_lets_out(wall, step, source):
    called: list[object] = []
    server = await asyncio.start_server(lambda *a: called.append(a), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await failing(wall, step, source, input=port)
    assert error.code == "code.raised"
    refusals = {"PermissionError", "FileNotFoundError", "BlockingIOError", "OSError", "ModuleNotFoundError"}
    # Raising a limit is refused as a value, before the kernel is asked.
    assert error.detail["type"] in refusals | {"ValueError"}, error.message
    assert not called
    assert not any(exists("/etc/penstock-was-here", "/penstock-was-here", os.__file__ + ".new"))


FORBIDDEN = [
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "mount",
    "umount2",
    "unshare",
    "setns",
    "pivot_root",
    "chroot",
    "bpf",
    "keyctl",
    "add_key",
    "request_key",
    "perf_event_open",
    "io_uring_setup",
    "userfaultfd",
    "memfd_create",
    "shmget",
    "shmat",
    "msgget",
    "semget",
    "mq_open",
    "seccomp",
    "capset",
    "personality",
    "open_by_handle_at",
    "reboot",
    "setuid",
    "setgid",
    "setsid",
    "setpriority",
    "truncate",
    "chown",
    "fork",
    "vfork",
    "clone",
    "tkill",
    "pidfd_open",
    "pidfd_getfd",
    "rt_sigqueueinfo",
    "socket",
]
NOT_IN_THE_TABLE = {
    "clone3": 435,
    "landlock_restrict_self": 446,
    "fanotify_init": 300,
    "init_module": 175,
    "the next call": 500,
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="platform: the numbers are those of x86_64")
async def test_forbidden_system_calls_fail_when_made_directly(wall, step):
    """ctypes reaches below Python: what holds is the kernel's filter, not the library."""
    numbers = {name: int(number) for name, number, _ in seccomp._rows(*seccomp.TABLES) if number != "-"}
    calls = {name: numbers[name] for name in FORBIDDEN} | NOT_IN_THE_TABLE
    source = """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        def main(calls):
            answers = {}
            for name, number in calls.items():
                ctypes.set_errno(0)
                answers[name] = [libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno()]
            return answers
    """
    answers = await run(wall, step, source, input=calls)
    refused = {errno.EPERM, errno.EACCES, errno.EAGAIN, errno.ENOSYS}
    assert {name: answer for name, answer in answers.items() if answer[0] != -1 or answer[1] not in refused} == {}
    assert answers["fork"][1] == errno.EAGAIN and answers["clone3"][1] == errno.ENOSYS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="platform: only x86_64 has a second and third set of calls")
async def test_calls_in_the_dress_of_another_architecture_end_the_process(wall, step):
    # int 0x80 from 64-bit code is a call of the 32-bit table, where number 1 is exit and 11 execve.
    source = r"""
        import ctypes, mmap
        def main(input):
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            return ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    """
    error = await failing(wall, step, source)
    assert error.code == "code.crashed"
    assert error.retryable


async def test_threads_work_and_are_bounded(wall, step):
    source = """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        def main(count):
            if count:
                with ThreadPoolExecutor(count) as pool:
                    return sum(pool.map(lambda n: n * n, range(100)))
            while True:
                threading.Thread(target=threading.Event().wait).start()
    """
    assert await run(wall, step, source, input=4) == 328350
    error = await failing(wall, step, source, input=0)
    assert error.code in ("code.raised", "code.memory")


async def test_blocking_signals_does_not_stop_the_cpu_limit(wall, step):
    source = """
        import signal
        def main(input):
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
            while True: pass
    """
    error = await failing(wall, step, source, seconds=20.0, cpu_seconds=1.0)
    assert error.code == "code.timeout"


@pytest.mark.parametrize(
    "end",
    ["os.kill(os.getpid(), 9)", "os.abort()", "ctypes.string_at(0)", "os._exit(0)", "os._exit(7)", "os._exit(137)"],
)
async def test_a_process_that_dies_is_a_crash(wall, step, end):
    error = await failing(wall, step, f"import ctypes, os\ndef main(input):\n    {end}")
    assert error.code == "code.crashed"
    assert error.retryable


@pytest.mark.parametrize(
    "leave", ["sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit", "raise BaseException"]
)
async def test_leaving_is_raising(wall, step, leave):
    error = await failing(wall, step, f"import sys\ndef main(input):\n    {leave}")
    assert error.code == "code.raised"


JUNK = {
    "nothing": b"",
    "no JSON": b"hello\n",
    "another form": b'{"value":1,"failed":"x"}',
    "an array": b"[1]",
    "an unknown failure": b'{"failed":"refused","message":"x"}',
    "wrong types": b'{"failed":"raised","type":1,"message":[],"line":"x"}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
async def test_a_report_forged_on_the_private_pipe_harms_nobody(wall, step, junk):
    source = """
        import os
        def main(junk):
            for descriptor in range(3, 64):
                try: os.write(descriptor, junk.encode())
                except OSError: pass
            os._exit(0)
    """
    if junk == JUNK["another form"]:
        assert await run(wall, step, source, input=junk.decode()) == 1, "its own result is the code's to choose"
        return
    error = await failing(wall, step, source, input=junk.decode())
    assert error.code == "code.crashed"


async def test_a_report_without_end_is_dropped(wall, step):
    source = """
        import os
        def main(input):
            for descriptor in range(3, 64):
                try:
                    for _ in range(100): os.write(descriptor, bytes(1 << 20))
                except OSError: pass
            os._exit(0)
    """
    error = await failing(wall, step, source, output_kb=16)
    assert error.code == "code.output_too_large"


async def test_closing_every_pipe_hides_nothing(wall, step):
    source = """
        import os
        def main(input):
            os.closerange(0, 64)
            while True: pass
    """
    error = await failing(wall, step, source, seconds=0.5)
    assert error.code == "code.timeout"


@pytest.mark.parametrize("how", ["cancel", "time-out"])
async def test_nothing_is_alive_when_the_step_has_ended(wall, step, tmp_path, how):
    """A lock ends with the last process that holds it."""
    source = """
        import fcntl, signal
        def main(input):
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
            file = open(input, 'w')
            fcntl.flock(file, fcntl.LOCK_EX)
            print('locked')
            while True: pass
    """
    path = tmp_path / "lock"
    seconds = 60.0 if how == "cancel" else 2.0
    job = run(wall, step, source, input=str(path), write=(str(tmp_path),), seconds=seconds)
    if how == "cancel":
        task = asyncio.create_task(job)
        async with asyncio.timeout(10):
            while "locked" not in step.notes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(StepFailed):
            await job
    assert step.notes == ["locked"]
    with path.open() as file:
        async with asyncio.timeout(1):
            while not lock(file):  # noqa: ASYNC110  (a process that ends lets go of its files one by one)
                await asyncio.sleep(0)


def lock(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def test_files_of_the_host_keep_their_modes_and_times(wall, step, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("x")
    victim.chmod(0o600)
    before = victim.stat()
    cut = "os.open(i, os.O_RDONLY | os.O_TRUNC)"
    for change in (
        cut,
        "os.chmod(i, 0o777)",
        "os.utime(i, (0, 0))",
        "os.truncate(i, 0)",
        "os.setxattr(i, 'user.a', b'b')",
    ):
        error = await failing(wall, step, f"import os\ndef main(i):\n    {change}", input=str(victim))
        assert error.code == "code.raised"
        await failing(wall, step, f"import os\ndef main(i):\n    {change}", input=str(victim), read=(str(tmp_path),))
    after = victim.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_size) == (after.st_mode, after.st_mtime_ns, after.st_size)


async def test_a_file_in_an_allowed_folder_is_bounded(wall, step, tmp_path):
    source = """
        def main(path):
            with open(path, "wb") as file:
                file.seek(100_000_000)
                file.write(b"x")
    """
    error = await failing(wall, step, source, input=str(tmp_path / "big"), write=(str(tmp_path),))
    assert error.detail["type"] == "OSError"


async def test_the_network_is_there_when_allowed(wall, step):
    async def answer(_reader, writer):
        writer.write(b"hello")
        writer.close()

    source = """
        import socket
        def main(port):
            with socket.create_connection(("localhost", port), 5) as s:
                return s.recv(100).decode()
    """
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await run(wall, step, source, input=port, network=True) == "hello"
    for family in ("AF_UNIX", "AF_NETLINK", "AF_PACKET"):
        unwanted = f"import socket\ndef main(i):\n    socket.socket(socket.{family})"
        assert (await failing(wall, step, unwanted, network=True)).detail["type"] == "PermissionError"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_whole_standard_library_can_be_imported(wall, step):
    source = """
        import importlib, warnings
        def main(names):
            warnings.simplefilter("ignore")
            missing = {}
            for name in names:
                try: importlib.import_module(name)
                except BaseException as error: missing[name] = repr(error)
            return missing
    """
    skip = {"antigravity", "this", "idlelib", "lib2to3", "test", "tkinter", "_tkinter", "turtle", "turtledemo"}
    tests = {name for name in sys.stdlib_module_names if name.startswith(("_test", "_ctypes_test", "xx", "_xx"))}
    other = {"msvcrt", "msilib", "nt", "ntpath", "winreg", "winsound", "asyncio.windows_events"}
    names = sorted(sys.stdlib_module_names - skip - tests - other)
    missing = await run(wall, step, source, input=names, memory_mb=512, seconds=60.0)
    here = {name for name in names if _cannot_import(name)}
    assert set(missing) <= here, missing


def _cannot_import(name: str) -> bool:
    import importlib

    try:
        importlib.import_module(name)
    except BaseException:
        return True
    return False


async def test_an_allowed_site_packages_can_be_imported(wall, step, tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "acme.py").write_text("answer = 42\n")
    source = "def main(input):\n    import acme\n    return acme.answer"
    assert (await failing(wall, step, source)).detail["type"] == "ModuleNotFoundError"
    assert await run(wall, step, source, read=(str(folder),)) == 42


async def test_a_scratch_folder_is_there_and_gone_afterwards(wall, step):
    source = """
        import os, tempfile
        def main(input):
            if os.getcwd() == "/": return []
            with tempfile.NamedTemporaryFile("w", delete=False) as file: file.write("x")
            open("here", "w").close()
            return [file.name, os.path.abspath("here")]
    """
    paths = await run(wall, step, source)
    if not paths:
        pytest.skip("platform: this host lets nobody mount, so Landlock alone has no scratch folder")
    assert not any(exists(*paths))


async def test_where_no_wall_holds_nothing_runs(step, monkeypatch):
    with pytest.raises(Unavailable) as caught:
        await run(CPython(()), step, "def main(input): return 1")
    assert caught.value.code == "sandbox.unavailable"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable) as caught:
        await run(CPython(("bwrap",)), step, "def main(input): return 1")
    assert "bwrap: not installed" in caught.value.message
    assert "apt install bubblewrap" in caught.value.message


async def test_a_wall_that_cannot_be_put_up_stops_the_job(step, tmp_path):
    runtime = CPython(("landlock",))
    assert await runtime.wall() == "landlock"
    with pytest.raises(Unavailable) as caught:
        await run(runtime, step, "print('ran')\ndef main(input): return 1", write=(str(tmp_path / "gone"),))
    assert caught.value.code == "sandbox.unavailable"
    assert step.notes == []


async def test_without_bubblewrap_the_other_wall_is_taken(step, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    runtime = CPython()
    assert await runtime.wall() == "landlock"
    assert await run(runtime, step, "def main(input): return input", input=[1]) == [1]


# ------------------------------------------------------------------------------------------------------ the filter


def verdict(program: list[seccomp.Instruction], machine: int, number: int, *arguments: int) -> int:
    """What the kernel would answer: an interpreter for the five instructions the filter uses."""
    import struct

    data = struct.pack("<IIQ6Q", number, machine, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    accumulator, place = 0, 0
    while True:
        code, yes, no, value = program[place]
        place += 1
        match code:
            case seccomp.LOAD:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case seccomp.JUMP_EQUAL:
                place += yes if accumulator == value else no
            case seccomp.JUMP_AT_LEAST:
                place += yes if accumulator >= value else no
            case seccomp.JUMP_SET:
                place += yes if accumulator & value else no
            case seccomp.RETURN:
                return value


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("network", [False, True])
def test_the_filter_says_what_it_should_on_each_machine(machine, network):
    architecture, column = seccomp.ARCHITECTURES[machine]
    program = seccomp.program(machine, 77, network, metadata=False)
    numbers = {name: int(row[column]) for name, *row in seccomp._rows(*seccomp.TABLES) if row[column] != "-"}

    def ask(name: str, *arguments: int) -> int:
        answer = verdict(program, architecture, numbers[name], *arguments)
        return 0 if answer == seccomp.ALLOW else answer & 0xFFFF if answer >> 16 == 5 else -1

    def expect(answer: int, *calls: tuple) -> None:
        assert {call: ask(*call) for call in calls} == dict.fromkeys(calls, answer)

    expect(0, ("read",), ("openat",), ("mmap",), ("exit_group",), ("socketpair", 1, 2), ("futex",))
    expect(0, ("clone", 0x3D0F00), ("kill", 77, 9), ("tgkill", 77, 77, 6), ("prlimit64", 0, 9), ("fcntl", 1, 1))
    expect(0, ("ioctl", 1, 0x5401), ("rt_sigaction", 2), ("prctl", 15))
    expect(errno.EAGAIN, ("clone", 0x1200011), ("clone", 17))
    expect(
        errno.EPERM, ("execve",), ("ptrace",), ("kill", 1, 9), ("kill", 2**32 - 1), ("tgkill", 78, 77), ("tkill", 77)
    )
    expect(
        errno.EPERM, ("prlimit64", 1, 9), ("fcntl", 1, 8), ("prctl", 1), ("rt_sigaction", signal.SIGXCPU), ("fchmod",)
    )
    expect(errno.ENOTTY, ("ioctl", 1, 0x5412), ("ioctl", 1, 0x8901))
    expect(errno.EACCES, ("socket", 1, 1), ("socket", 16, 3), ("socket", 17, 3))
    expect(0 if network else errno.EACCES, ("socket", 2, 1), ("socket", 10, 1), ("connect",), ("sendto", 3, 1, 1, 0, 9))
    expect(0 if network else errno.EACCES, ("sendto", 3, 1, 1, 0, 1 << 40))
    expect(0, ("sendto", 3, 1, 1, 0, 0))
    expect(0, ("openat", 3, 1, 0), ("openat", 3, 1, 0o1101), ("openat", 3, 1, 0o1002))
    expect(errno.EPERM, ("openat", 3, 1, 0o1000))
    if machine == "x86_64":
        expect(errno.EPERM, ("open", 1, 0o1000))
        expect(0, ("open", 1, 0o1001), ("open", 1, 0))
    for not_listed in (435, 460):  # clone3, and a call of a kernel to come
        answer = verdict(program, architecture, not_listed)
        assert answer & 0xFFFF == errno.ENOSYS and answer >> 16 == 5
    assert verdict(program, architecture ^ 1, numbers["read"]) == seccomp.KILL
    assert verdict(program, architecture, numbers["read"] | seccomp.X32_BIT) & 0xFFFF == errno.ENOSYS


def test_the_tables_name_each_call_once():
    rows = seccomp._rows(*seccomp.TABLES)
    names = [name for name, *_ in rows]
    assert len(names) == len(set(names))
    for column in (1, 2):
        numbers = [row[column] for row in rows if row[column] != "-"]
        assert len(numbers) == len(set(numbers))


# ---------------------------------------------------------------------------------------------------- the process


def test_a_process_that_used_monty_ends_quietly():
    """Its threads return from waking the loop just when the interpreter goes away, which aborted every second process."""
    program = """
        import asyncio
        from penstock.nodes.sandbox.job import Job
        from penstock.nodes.sandbox.monty import Monty
        class Nowhere:
            def feed(self, data): pass
        async def main():
            monty = Monty()
            print(await monty.run(Job("def main(input): return input", input=1), Nowhere()))
            await monty.aclose()
        asyncio.run(main())
    """
    for _ in range(6):
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30, check=False
        )
        assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr
