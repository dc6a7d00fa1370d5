"""A `live serve` process under test, and waiting on conditions."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
START_SECONDS = 30.0


def eventually(condition: Callable[[], T], seconds: float = 10.0) -> T:
    """Waits until the condition is true and returns its value; fails with its last value.

    An assertion or a connection that fails within the condition counts as not true yet.
    """
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline
        try:
            value = condition()
            if value:
                return value
            if late:
                raise AssertionError(f"not true after {seconds} s: {condition!r} gave {value!r}")
        except (AssertionError, httpx.TransportError):
            if late:
                raise
        time.sleep(0.02)  # the pace of looking, not a wait for readiness


class Node:
    """Started on construction; ready when it returns. `settings` become LIVE_* variables."""

    module = "live"

    def __init__(self, settings: Mapping[str, Any], *flags: str) -> None:
        self.settings = dict(settings)
        self.flags = flags
        self.output = ""
        self.start()

    @property
    def site(self) -> str:
        return str(self.settings.get("site", "main"))

    def start(self) -> None:
        """Starts the process (again, on the port that it had)."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_")}
        fields = {"port": 0, **self.settings}
        environment |= {f"LIVE_{name.upper()}": str(value) for name, value in fields.items() if value is not None}
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, "serve", *self.flags],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.output = ""
        self._ready = threading.Event()
        self._drain = threading.Thread(target=self._read, daemon=True)
        self._drain.start()
        if not self._ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.stop()
            raise AssertionError(f"the server did not start:\n{self.output}")
        found = re.search(r"Front page\s+(http://\S+)/\n", self.output)
        assert found, self.output
        self.url = found[1]
        self.settings["port"] = int(self.url.rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if "Ctrl-C" in line:
                self._ready.set()
        self._ready.set()

    def kill(self) -> None:
        """Ends the process as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends the process as an operator would."""
        self._end(signal.SIGTERM)

    def _end(self, how: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(20)
        self._drain.join(5)
        assert self.process.stdout
        self.process.stdout.close()

    def stream(self, scheme: str = "ws", **query: str) -> str:
        """The stream's address."""
        return str(httpx.URL(f"{scheme}{self.url.removeprefix('http')}/stream", params=query))
