"""Keys and passwords are told to meters and to nobody else: not to logs, traces, errors, reprs or answers.

Marked secrets go through whatever handles them - a line of a gateway with its trace on, reading and ordering with right
and wrong ones, decoding, explaining, the command line - and are then looked for in all that came out, in every form.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from faulty import serve, stop
from metergate.errors import MetergateError
from metergate.gateway import lines
from metergate.gateway.hub import Hub
from metergate.gateway.lines import LineTask
from metergate.gateway.settings import Line, Meter
from metergate.links.loop import pair
from metergate.meters.pollers import Target
from metergate.model import Connect, SetClock, SetPassword
from metergate.sim.household import Household
from metergate.sim.meters import responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocols
from metergate.wire.contract import respond
from metergate.wire.sml.reader import Session
from mutants import line as mutant_line

BANK = Bank((Household(5),), ())
SECRET = bytes.fromhex("5a17c3e96b2d8f405a17c3e96b2d8f41")
OTHER = bytes.fromhex("c0ffee1357924680c0ffee1357924681")
PLAIN = bytes.fromhex("02135791")
WORD = b"Secr3tMrk"


def forms(secret: bytes) -> Iterator[str]:
    """How a secret may show: hex, hex with spaces, text, the text of its repr, as DL/T 645 sends it."""
    for octets in (secret, bytes(octet + 0x33 & 255 for octet in secret)):
        yield octets.hex()
        yield octets.hex(" ")
        yield repr(octets)[2:-1]
    if secret.isascii() and secret.decode().isprintable():
        yield secret.decode()


def shown(text: str, *secrets: bytes) -> list[str]:
    """The forms of secrets that a text holds."""
    low = text.lower()
    return [form for secret in secrets for form in forms(secret) if form.lower() in low]


def test_what_is_looked_for_would_be_found() -> None:
    for secret in (SECRET, PLAIN, WORD):
        for text in (secret.hex(), secret.hex(" ").upper(), str(secret)):
            assert shown(f"x{text}y", secret)
    assert not shown("nothing", SECRET, PLAIN, WORD)


class Log:
    """Keeps all that is logged."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **fields: self.told.append(f"{level} {event} {fields}")


@dataclass(frozen=True)
class Case:
    """A meter with a secret that travels, and the settings of who asks it."""

    spec: MeterSpec
    address: str
    key: bytes = b""
    keys: dict[str, bytes] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def secrets(self) -> list[bytes]:
        """What nobody may see; of level and password of DL/T 645 the password."""
        found = [self.key[1:] if self.key == PLAIN else self.key, *self.keys.values()]
        found += [bytes.fromhex(str(self.options["password"]))] if "password" in self.options else []
        return [secret for secret in found if secret]


CASES = {
    "dlt645": Case(MeterSpec("dlt645", "202611000001", 0), "202611000001", PLAIN),
    "dlt645-1997": Case(MeterSpec("dlt645", "202611000001", 0), "202611000001", PLAIN),
    "gdw376": Case(MeterSpec("gdw376", "02001234", 0), "02001234:1", options={"password": SECRET.hex()}),
    "dlt698": Case(MeterSpec("dlt698", "202611000001", 0), "202611000001", WORD, options={"connect": True}),
    "iec62056-21": Case(MeterSpec("iec62056-21", "4711", 0, key=WORD.hex()), "4711", WORD),
    "iec62056-21, wrong": Case(MeterSpec("iec62056-21", "4711", 0), "4711", WORD),
    "dlms-wrapper": Case(MeterSpec("dlms-wrapper", "10004711", 0), "1", keys={"password": WORD}),
    "dlms-wrapper, keys": Case(
        MeterSpec("dlms-wrapper", "10004711", 0, key=(SECRET + OTHER).hex()),
        "1",
        keys={"encryption": SECRET, "authentication": OTHER},
    ),
    "dlms-hdlc, wrong keys": Case(
        MeterSpec("dlms-hdlc", "10004711", 0, key=("00" * 32)),
        "1",
        keys={"encryption": SECRET, "authentication": OTHER},
    ),
    "mbus": Case(MeterSpec("mbus", "61203344", 0, 4, SECRET.hex()), str(61203344 % 250 + 1), SECRET),
    "mbus, wrong": Case(MeterSpec("mbus", "61203344", 0, 4, OTHER.hex()), str(61203344 % 250 + 1), SECRET),
}
IN_CLEAR = ("dlt645", "dlt645-1997", "gdw376", "dlt698", "iec62056-21", "iec62056-21, wrong", "dlms-wrapper")


@pytest.mark.anyio
@pytest.mark.parametrize("name", CASES)
async def test_a_line_with_its_trace_on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, log, told = CASES[name], Log(), list[str]()
    monkeypatch.setattr(lines, "log", log)
    ours, theirs = pair()
    meter = Meter("m", case.address, key_file=_file(tmp_path, case.key), key_files=_files(tmp_path, case.keys))
    protocol = name.partition(",")[0]
    settings = Line("loop://l", protocol, name="l", meter=(meter,), options=case.options, trace=True)
    task, raw = LineTask(settings, Hub("g", [])), bytearray()
    task.observe(lambda way, data: raw.extend(data))
    serving = asyncio.create_task(serve(theirs, [responder(case.spec, BANK)]))
    working = asyncio.create_task(task._serve(ours))
    try:
        while task._owner is None:  # it comes with one of the next turns of the loop
            await asyncio.sleep(0)
            if working.done():
                await working
        for order in (SetClock("1", "m"), Connect("2", "m")):
            try:
                told.append(str(await task.execute(order)))
            except MetergateError as error:
                told.append(repr(error))
    finally:
        await stop(working)
        await stop(serving)
    everything = "\n".join([*log.told, *told, repr(settings), str(settings), repr(task.settings.meter)])
    assert "bytes" in everything
    assert not shown(everything, *case.secrets)
    if name in IN_CLEAR:
        assert shown(raw.hex(), *case.secrets), "nothing was there to be hidden"


def _file(folder: Path, key: bytes, name: str = "key") -> Path | None:
    if not key:
        return None
    (folder / name).write_text(key.hex())
    return folder / name


def _files(folder: Path, keys: dict[str, bytes]) -> dict[str, Path]:
    return {name: path for name, key in keys.items() if (path := _file(folder, key, name))}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("name", ["wmbus", "mbus", "p1-sealed", "dlms-push", "dlms-apdu"])
def test_decoding_and_explaining_with_keys(name: str) -> None:
    tried = mutant_line(name)
    words = ("key", "encryption", "authentication", "dedicated")
    keys = dict.fromkeys((*words, *tried.keys), SECRET.hex())
    entry = protocols()[tried.protocol]
    for frame in tried.frames[-40:]:
        asked = {"protocol": tried.protocol, "hex": frame.hex(), "keys": keys, "options": dict(tried.options)}
        told = json.dumps(respond(asked)) + repr(respond(asked | {"keys": {"key": SECRET.hex() + "00"}}))
        spans = entry.explain(frame, dict.fromkeys(keys, SECRET))
        assert not shown(told + repr(spans), SECRET)


@pytest.mark.parametrize(
    "keys", [{"key": SECRET.hex()[:-1]}, {"key": "zz" + SECRET.hex()}, {"encryption": OTHER.hex() * 3}]
)
def test_keys_that_are_none_are_not_repeated(keys: dict[str, str]) -> None:
    for name in ("wmbus", "dlms-push", "p1", "dlms-apdu"):
        told = json.dumps(respond({"protocol": name, "hex": "7ea0", "keys": keys, "options": {}}))
        assert SECRET.hex()[:12] not in told
        assert OTHER.hex()[:12] not in told


def test_values_that_hold_secrets_do_not_show_them() -> None:
    holders = [
        Target("m", "1", SECRET, keys={"encryption": OTHER}),
        MeterSpec("mbus", "1", 0, key=SECRET.hex()),
        SetPassword("1", "m", level=0, old=SECRET.hex(), new=OTHER.hex()),
        Session(b"file", password=SECRET),
    ]
    for holder in holders:
        assert not shown(f"{holder!r} {holder}", SECRET, OTHER)


def test_the_command_line(tmp_path: Path) -> None:
    """A key file that holds something else is named and not quoted; so is a line that is not there."""
    key, broken = _file(tmp_path, SECRET), tmp_path / "broken"
    broken.write_text(f"key={SECRET.hex()}")
    for path in (key, broken):
        words = [
            "read",
            "tcp://127.0.0.1:1",
            "--protocol",
            "mbus",
            "--address",
            "1",
            "--key-file",
            str(path),
            "--timeout",
            "1",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "metergate.cli", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert done.stderr
        assert not shown(done.stdout + done.stderr, SECRET)
