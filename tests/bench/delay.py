"""A TCP proxy on loopback that delivers every byte after half of a round trip.

It stands for a line with delay where the kernel has no ``netem``. Bytes in flight are not limited,
so it stands for a line whose TCP window is large enough. Run as a program, so that its work is not
done by the process that is measured: ``python -m tests.bench.delay TARGET_PORT ROUND_TRIP_MS``
prints its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_READ_BYTES = 1_048_576


@contextmanager
def delayed(target_port: int, round_trip_ms: int) -> Iterator[int]:
    """Run a proxy in front of a port, and yield the proxy's port."""
    command = [sys.executable, "-m", "tests.bench.delay", str(target_port), str(round_trip_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve(target_port: int, delay_seconds: float) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            "127.0.0.1", target_port, limit=_READ_BYTES
        )
        await asyncio.gather(
            _carry(reader, far_writer, delay_seconds), _carry(far_reader, writer, delay_seconds)
        )

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=_READ_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: float
) -> None:
    """Carry one direction; a block is written when its time has come, in the order it came."""
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, block = await blocks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not block:
                break
            writer.write(block)
            await writer.drain()
        writer.close()

    delivering = asyncio.create_task(deliver())
    with contextlib.suppress(OSError):
        while block := await reader.read(_READ_BYTES):
            blocks.put_nowait((loop.time() + delay_seconds, block))
    blocks.put_nowait((loop.time() + delay_seconds, b""))
    with contextlib.suppress(OSError):
        await delivering


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]) / 2_000))
