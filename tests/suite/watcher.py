"""Ends what a run of the suite has started when that run ends, however it ends: by SIGKILL too.

    python -m tests.suite.watcher MARK PID FOLDER

The watcher stands outside of the run's process group, so that what stops the group spares it. Its standard input is a pipe from
the process PID, which shares out the tests; the pipe closes when that process is gone. Then the watcher kills the processes of
the run and removes FOLDER, the run's folder for temporary files.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time

from tests.suite.leavings import Process, descendants, marked

EVERY = 1.0  # seconds between looks at the descendants, for those that run in an environment of their own
ROUNDS = (
    200  # a killed process may begin another one first, so there is a next look; a process that the kernel holds stays
)


def main() -> None:
    mark, pid, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    seen: set[Process] = set()
    while True:
        readable, _, _ = select.select([0], [], [], EVERY)
        if readable and not os.read(0, 1):
            break
        seen = {process for process in seen if process.alive()} | descendants(pid)
    for _ in range(ROUNDS):
        left = {one for one in seen | marked(mark) if one.pid != os.getpid() and one.alive()}
        if not left:
            break
        for one in left:
            one.signal(signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
