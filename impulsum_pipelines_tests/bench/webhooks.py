"""How many deliveries per second the receiver accepts, and how long each waits for its answer.

``python -m impulsum_pipelines_tests.bench.webhooks``. The receiver is a separate process with its inbox in
``--folder``. Choose a folder on the disk to measure, because each answer waits for two writes there. Every delivery is
signed and unique; at the end each answered delivery must be a readable file. Exits with 1 when one is not, or when one
in a hundred waited longer than the least patient vendor would. CPU is that of the receiver.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
#: Longest wait of a vendor, in seconds: Slack's.
PATIENCE = 3.0
console = Console()


def main() -> int:
    """Measure, print, and return 1 when the bound is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=2_000, help="for each number of senders")
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--bytes", type=int, default=10_000, help="size of a body")
    parser.add_argument("--folder", type=Path, default=None, help="folder for the inbox; default: the temporary folder")
    arguments = parser.parse_args()
    figures = ("per second", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU ms each")
    table = Table("senders", "deliveries", *figures, box=None, header_style="bold")
    all_met = True
    with tempfile.TemporaryDirectory(prefix="impulsum-webhooks-", dir=arguments.folder) as folder:
        home = Home(Path(folder))
        with _receiver(home) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in VENDORS]
            url = next(line.split()[0] for line in lines if "/slack" in line)
            asyncio.run(_send(url, "warm", 100, 4, arguments.bytes))
            for senders in arguments.senders:
                started, cpu = time.perf_counter(), _cpu_seconds(process)
                waits = sorted(asyncio.run(_send(url, str(senders), arguments.deliveries, senders, arguments.bytes)))
                rate = len(waits) / (time.perf_counter() - started)
                shares = [waits[int(share * (len(waits) - 1))] for share in (0.5, 0.95, 0.99, 1)]
                all_met &= shares[2] < PATIENCE
                each = (_cpu_seconds(process) - cpu) / len(waits)
                cells = [f"{seconds * 1000:,.1f}" for seconds in (*shares, each)]
                table.add_row(str(senders), f"{len(waits):,}", f"{rate:,.0f}", *cells)
            process.terminate()
        answered = arguments.deliveries * len(arguments.senders) + 100
        found = {dropfiles.read_dropfile(path).delivery for path in dropfiles.waiting(home, answered + 1)}
    console.print(table)
    all_met &= len(found) == answered
    console.print(f"{'ok ' if all_met else 'NOT'}  {len(found):,} files of {answered:,} answered deliveries")
    return 0 if all_met else 1


def _receiver(home: Home) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()"]
    return subprocess.Popen(
        [*command, "webhooks", "serve", "--port", "0"],
        env={**os.environ, "IMPULSUM_HOME": str(home.root), "SLACK_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _cpu_seconds(process: subprocess.Popen[str]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


async def _send(url: str, run: str, deliveries: int, senders: int, size: int) -> list[float]:
    """Send the deliveries, each sender one after the other on its connection; returns the seconds to each answer."""
    names = iter([f"{run}-{number}" for number in range(deliveries)])
    waits: list[float] = []

    async def sender() -> None:
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for name in names:
            request = _request(where.path, name, size)
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            waits.append(time.perf_counter() - started)
            assert head.startswith(b"HTTP/1.1 200"), head
        writer.close()

    await asyncio.gather(*(sender() for _ in range(senders)))
    return waits


def _request(path: str, name: str, size: int) -> bytes:
    """The raw request of one Slack event; a client library would cost more CPU than the receiver."""
    body = orjson.dumps({"event_id": name, "type": "event_callback", "event": {"type": "message", "text": "x" * size}})
    headers = VENDORS["slack"].scheme.sign(SECRET, body, datetime.now(UTC))
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json"]
    lines += [f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


if __name__ == "__main__":
    sys.exit(main())
