"""A proxy on loopback whose connections go silent: no bytes any more, and no end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class StallingProxy:
    """Hands connections on to a port; ``limit_of`` says after how many bytes one goes silent.

    Attributes:
        port: Where it listens.
        connections: How many were made so far.
    """

    def __init__(self, target_port: int, limit_of: Callable[[int], float]) -> None:
        self.connections = 0
        self._target_port = target_port
        self._limit_of = limit_of
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._target_port))
                self._open += [client, server]
                left = _Left(self._limit_of(self.connections))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_hand_on, args=(*pair, left), daemon=True).start()

    def close(self) -> None:
        """End all."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@dataclass
class _Left:
    """How many bytes a connection still hands on, in both directions together."""

    size_bytes: float


def _hand_on(source: socket.socket, target: socket.socket, left: _Left) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65_536):
            if left.size_bytes <= 0:
                return  # read no more either: what is sent from now on fills the buffers
            target.sendall(block[: int(min(len(block), left.size_bytes))])
            left.size_bytes -= len(block)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def stalling(target_port: int, limit_of: Callable[[int], float]) -> Iterator[StallingProxy]:
    """A proxy for a while; ``limit_of`` takes the connection's number, from 1 on."""
    proxy = StallingProxy(target_port, limit_of)
    try:
        yield proxy
    finally:
        proxy.close()
