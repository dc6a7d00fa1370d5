"""The end of a server: its address is free at once, and it is gone in time, whatever hangs."""

import logging
import os
import socket
import threading
import time
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

LEAST_SECONDS = 5.0
log = logging.getLogger("live")


class Server(uvicorn.Server):
    """A server process that ends itself, if need be by force, so many seconds after a signal told it to stop."""

    def __init__(self, config: uvicorn.Config, seconds: float) -> None:
        super().__init__(config)
        self._seconds = max(LEAST_SECONDS, seconds)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            last_resort = threading.Timer(self._seconds, _end_by_force, (self._seconds,))
            last_resort.daemon = True
            last_resort.start()
        super().handle_exit(sig, frame)


def _end_by_force(seconds: float) -> None:
    log.error("something still runs %.0f s after the signal to stop; the process ends by force", seconds)
    logging.shutdown()
    os._exit(1)


class Workers(Multiprocess):
    """Several server processes, of which none lasts longer than so many seconds after the signal to stop."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], seconds: float) -> None:
        super().__init__(config, sockets)
        self._seconds = max(LEAST_SECONDS, seconds)

    def terminate_all(self) -> None:
        """Begins the end. This process too holds the address: left open, it would collect connections for nobody."""
        self._end = time.monotonic() + self._seconds
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        for worker in self.processes:
            worker.process.join(max(0.0, self._end - time.monotonic()))
            if worker.process.is_alive():
                log.error("a worker still runs %.0f s after the signal to stop; it is ended by force", self._seconds)
                worker.process.kill()
            worker.process.join()
