"""Readers who answer pings as browsers do, and do nothing else, in a process of their own.

python -m tests.fanout.answering URL PATH COUNT      prints a line when all are let in; ends with its input
"""

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from live.bench.crowd import Crowd, raise_file_limit


def main(url: str, path: str, count: int) -> None:
    """Lets the readers in, says so, and lets them answer until the input ends."""
    raise_file_limit()
    address = urlsplit(url)
    assert address.hostname and address.port
    crowd = Crowd(address.hostname, address.port, path)
    crowd.open(count)
    print("all let in", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        crowd.idle(0.1)


@contextmanager
def answering(url: str, path: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process with so many readers, all of them let in."""
    words = [sys.executable, "-m", "tests.fanout.answering", url, path, str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "all let in\n"
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
