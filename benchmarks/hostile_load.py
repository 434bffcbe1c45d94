"""Normal callers beside hostile ones: latency, refusals and memory of the forecast service.

    python -m benchmarks.hostile_load [--seconds 200] [--home DIR]

Run A is 20 normal requests a second alone, each for 50 symbols; run B the same with 50 hostile ones a second
from senders of a lower priority; run C with valid but costly ones instead: batches of rows at the limit of
JSON, Parquet files of 20,000 rows, 500 symbols. The bodies are made from a seed before the first run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil

from benchmarks.hostile_bodies import Attack, attacks, wire_of
from benchmarks.serving_latency import SYMBOLS, load, make_home
from benchmarks.serving_load import wait_until_ready
from tests.serving.homes import DAILY, TEXT
from tests.serving.hostile import FORM, Body, form_of, parquet_of
from tests.serving.parts import SESSION
from tests.serving.process import serving

NAMES = DAILY + TEXT
HOSTILE_PER_SECOND, COSTLY_PER_SECOND = 50, 1.0
SENDERS = 2
MIB = 1024 * 1024
REST_SECONDS = 60
PATIENCE_SECONDS = 150.0
STORY = """
{seconds:.0f} s each: 20 normal requests a second alone (A), beside {hostile} hostile ones a second of {kinds}
kinds and {mean:.0f} KiB in the mean from senders of a lower priority (B), beside {costly:g} valid one a
second that costs as much as any may (C). One service process on {cores} cores, callers on the same machine;
milliseconds from the instant at which each request was due; MiB of summed PSS of service and child over its
warm start, at the peak and {rest} s later.
"""
BOUNDS = """
Wanted: every normal request answered; p95 at most the larger of 100 ms and three times A's; hostile ones get
4xx or 503 with `Retry-After`, or are cut off where they stop half way or send many at once; at most 512 MiB
more at the peak and 100 MiB a minute later.
"""
RESULT = Path(__file__).parent / "results" / "hostile_load.md"


def send_all(port: int, file: Path, per_second: float, seconds: float) -> None:
    """Send the attacks of a file in turn, at a lower priority, and print what became of them."""
    os.nice(10)
    wires: list[Attack] = pickle.loads(file.read_bytes())  # noqa: S301 - written by this very program
    print(json.dumps(asyncio.run(_send(port, wires, per_second, seconds))))


async def _send(port: int, wires: Sequence[Attack], per_second: float, seconds: float) -> dict[str, Any]:
    codes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    began = time.perf_counter()

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, number / per_second - (time.perf_counter() - began)))
        attack = wires[number % len(wires)]
        said = await _attack(port, attack)
        code = said.split(b" ", 2)[1].decode() if said.startswith(b"HTTP/1.1 ") else "cut off"
        codes[code] += 1
        refused = code.startswith("4") or (code == "503" and b"retry-after:" in said.lower())
        if not refused and not (code == "cut off" and attack.how != "whole"):
            faults[f"{attack.kind} ({attack.how}): {code}"] += 1

    await asyncio.gather(*(one(number) for number in range(int(per_second * seconds))))
    return {"codes": dict(codes), "faults": dict(faults)}


async def _attack(port: int, attack: Attack) -> bytes:
    """Return what the service said to an attack before it closed, or before the answer had come whole."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    sending = asyncio.create_task(_write(writer, attack))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read(65_536)
    except (OSError, TimeoutError) as error:
        return b"" if isinstance(error, ConnectionError) else b"held"
    finally:
        sending.cancel()
        writer.close()


async def _write(writer: asyncio.StreamWriter, attack: Attack) -> None:
    wire = attack.wire
    try:
        if attack.how != "drip":
            writer.write(wire[: len(wire) // 2] if attack.how == "half" else wire)
            await writer.drain()
            return
        for place in range(len(wire)):
            writer.write(wire[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.5)
    except OSError:
        return


@contextmanager
def senders(
    port: int, wires: Sequence[Attack], per_second: float, seconds: float
) -> Iterator[list[dict[str, Any]]]:
    """Run the senders beside the block; what they saw stands in the list after it."""
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for number in range(SENDERS):
            file = Path(folder) / f"{number}.pickle"
            file.write_bytes(pickle.dumps(list(wires[number::SENDERS])))
            words = ["--send", str(port), str(file), str(per_second / SENDERS), str(seconds)]
            command = [sys.executable, "-m", "benchmarks.hostile_load", *words]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        yield told
        told += [json.loads(one.communicate()[0]) for one in running]


class MemoryWatch:
    """The summed PSS of the service and its child, looked at every half second."""

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            self.peak = max(self.peak, service_pss())


def service_pss() -> int:
    """Return the proportional set size of the service and its child, in bytes."""
    total = 0
    for process in psutil.process_iter():
        try:
            if "serving.server" in process.cmdline() or "serving.upload_child" in process.cmdline():
                total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def costly() -> list[Attack]:
    """Return valid requests that cost as much as any may."""
    values = {name: [0.5] * 20_000 for name in NAMES}
    keys = {"symbol": [f"S{row}" for row in range(20_000)], "session": [SESSION] * 20_000}
    file = form_of(parquet_of(pl.DataFrame({**keys, **values})))
    features = dict.fromkeys(NAMES, 0.5)
    rows = [{"symbol": f"S{row}", "session": str(SESSION), "features": features} for row in range(1_000)]
    text = json.dumps({"rows": rows}).encode()
    everybody = json.dumps({"symbols": SYMBOLS}).encode()
    bodies = [
        Body("20,000 rows of Parquet", "/forecast_batch", file, FORM),
        Body("1,000 rows of JSON", "/forecast_batch", text),
        Body("500 symbols", "/forecast", everybody),
    ]
    return [Attack(body.name, wire_of(body)) for body in bodies] * SENDERS


async def measure(address: str, seconds: float) -> list[dict[str, Any]]:
    """Run A, B and C."""
    port = int(address.rpartition(":")[2])
    hostile = attacks(NAMES, 1_000, seed=11)
    sizes = [len(attack.wire) for attack in hostile]
    print(
        f"{len({a.kind for a in hostile})} kinds, {sum(sizes) / len(sizes) / 1024:.0f} KiB in the mean",
        file=sys.stderr,
    )
    rows = []
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=600)
        await load(client, 5)
        warm = service_pss()
        rows.append(await _run("A: alone", client, seconds, warm))
        with senders(port, hostile, HOSTILE_PER_SECOND, seconds) as told:
            rows.append(await _run("B: with hostile", client, seconds, warm))
        rows[-1] |= _of(told)
        rows[-1]["rest_mib"] = await _rest(warm)
        with senders(port, costly(), COSTLY_PER_SECOND, seconds) as told:
            rows.append(await _run("C: with costly", client, seconds, warm))
        rows[-1] |= {"others": str(_of(told)["others"])}
        rows[-1]["rest_mib"] = await _rest(warm)
    return rows


async def _rest(warm: int) -> float:
    await asyncio.sleep(REST_SECONDS)
    return round((service_pss() - warm) / MIB, 1)


def _of(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    codes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for one in told:
        codes.update(one["codes"])
        faults.update(one["faults"])
    return {"others": dict(sorted(codes.items())), "faults": dict(faults)}


async def _run(case: str, client: httpx.AsyncClient, seconds: float, warm: int) -> dict[str, Any]:
    with MemoryWatch() as memory:
        outcome = await load(client, seconds)
    quantiles = {f"p{share}_ms": round(outcome.quantile(share / 100), 1) for share in (50, 95, 99)}
    grown = round((memory.peak - warm) / MIB, 1)
    return {"case": case, **quantiles, "codes": dict(outcome.codes), "peak_mib": grown}


def judge(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the bounds that did not hold."""
    alone, *others = rows
    limit = max(100.0, 3 * alone["p95_ms"])
    broken = []
    for row in others:
        if set(row["codes"]) != {200}:
            broken.append(f"{row['case']}: normal requests ended as {row['codes']}")
        if row["p95_ms"] > limit:
            broken.append(f"{row['case']}: p95 {row['p95_ms']} ms, at most {limit} ms")
        if row["peak_mib"] > 512 or row["rest_mib"] > 100:
            broken.append(
                f"{row['case']}: {row['peak_mib']} MiB more at the peak, {row['rest_mib']} a minute later"
            )
    if others[0]["faults"]:
        broken.append(f"hostile requests that were not refused: {others[0]['faults']}")
    return broken


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--send", nargs=4)
    arguments = parser.parse_args()
    if arguments.send:
        port, file, per_second, seconds = arguments.send
        send_all(int(port), Path(file), float(per_second), float(seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder) / "home"
        make_home(home)
        with serving(home, log=Path(folder) / "service.log") as address:
            rows = asyncio.run(measure(address, arguments.seconds))
    broken = judge(rows)
    page = render(rows, broken, arguments.seconds)
    print(page)
    RESULT.write_text(page, encoding="utf-8")
    sys.exit(1 if broken else 0)


def render(rows: Sequence[dict[str, Any]], broken: Sequence[str], seconds: float) -> str:
    """Return the page of results."""
    names = ("case", "p50_ms", "p95_ms", "p99_ms", "codes", "others", "peak_mib", "rest_mib")
    cells = [" | ".join(str(row.get(name, "")) for name in names) for row in rows]
    hostile = attacks(NAMES, 1_000, seed=11)
    story = STORY.format(
        seconds=seconds, hostile=HOSTILE_PER_SECOND, costly=COSTLY_PER_SECOND, cores=os.cpu_count(),
        kinds=len({one.kind for one in hostile}), rest=REST_SECONDS,
        mean=sum(len(one.wire) for one in hostile) / len(hostile) / 1024,
    )  # fmt: skip
    told = [f"NOT met: {one}." for one in broken] or ["Every bound holds."]
    return "\n".join([
        "# Hostile and costly callers\n",
        "Written by `python -m benchmarks.hostile_load`.\n",
        filled(story), "",
        "| run | p50 | p95 | p99 | normal | others | peak | rest |",
        "|---" * len(names) + "|", *(f"| {row} |" for row in cells), "",
        filled(BOUNDS), "", *told, "",
    ])  # fmt: skip


def filled(text: str) -> str:
    """Return a paragraph of lines that are not too long."""
    return textwrap.fill(" ".join(text.split()), 110)


if __name__ == "__main__":
    main()
