"""`metergate sniff`: a live line as hex, with what the bytes mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TextIO

from metergate.cli.usage import Protocol
from metergate.wire.base import Found, Keys, Options, Telegram

WIDTH = 32
"""Bytes a line."""
ENOUGH = 4096
"""Bytes after which a protocol that nobody recognises is given up for this telegram."""


def sniff(
    url: str,
    /,
    *,
    protocol: Protocol | None = None,
    seconds: float | None = None,
    key_file: Path | None = None,
    option: tuple[str, ...] = (),
) -> None:
    """Show what passes on a line: time, bytes, telegrams and their values. Sends nothing, but a radio stick its mode.

    Examples:

        metergate sniff /dev/ttyUSB0

        metergate sniff "/dev/ttyUSB0?baud=2400&format=8E1" --protocol mbus

        metergate sniff "stick://im871a/dev/ttyUSB0?mode=T1" --key-file meter.key

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0?baud=2400&format=8E1`, `tcp://host:port`, `stick://im871a/dev/ttyUSB0?mode=T1` ...
    protocol
        What to decode; without it the protocol is guessed from the bytes.
    seconds
        When to stop; without it at the end of the line or at Ctrl-C.
    key_file
        A file with the meters' key in hex.
    option
        For the decoder, as `stick=lines`.
    """
    import sys

    from metergate.cli.decode import options_of
    from metergate.meters.pollers import read_key

    keys = {"key": read_key(key_file)} if key_file else {}
    try:
        asyncio.run(watch(url, protocol, seconds, sys.stdout, keys, options_of(option)))
    except KeyboardInterrupt:
        pass


async def watch(
    url: str,
    protocol: str | None,
    seconds: float | None,
    out: TextIO,
    keys: Keys | None = None,
    options: Options | None = None,
) -> None:
    """As `sniff`, to any output."""
    from metergate.links import open_link
    from metergate.links.stick import is_stick, stick_options
    from metergate.meters.usual import usual_address

    protocol = "wmbus" if protocol is None and is_stick(url) else protocol
    show = Show(out, protocol, keys=keys, options={**stick_options(url), **(options or {})})
    link = await open_link(usual_address(url, protocol))
    try:
        if show.greeting:
            await link.write(show.greeting)
        async with asyncio.timeout(seconds):
            while data := await link.read():
                show.take(data)
    except TimeoutError:
        pass
    finally:
        show.end()
        await link.close()


class Show:
    """Prints bytes and what they mean."""

    def __init__(
        self,
        out: TextIO,
        protocol: str | None,
        now: Callable[[], datetime] = datetime.now,
        *,
        keys: Keys | None = None,
        options: Options | None = None,
    ) -> None:
        from metergate.wire import contract, protocols
        from metergate.wire.masks import Masker

        self._out, self._now = out, now
        self._guess, self._protocols = contract.guess, protocols()
        self._keys, self._options = keys or {}, options or {}
        self._receiver = self._protocols[protocol].receiver(self._keys, self._options) if protocol else None
        self._mask = Masker(protocol or "")
        self._seen = b""

    @property
    def greeting(self) -> bytes:
        """What a radio stick is to be told before it hears anything."""
        return getattr(self._receiver, "greeting", b"")

    def take(self, data: bytes) -> None:
        """Bytes that came from the line."""
        time = self._now().strftime("%H:%M:%S.%f")
        shown = self._mask("<", data)
        for at in range(0, len(shown), WIDTH):
            self._print(f"{time} < {shown[at : at + WIDTH].hex(' ')}")
        if self._receiver is None:
            data = self._recognise(data)
        if self._receiver is not None:
            for item in self._receiver.receive(data):
                self._found(item)

    def _recognise(self, data: bytes) -> bytes:
        self._seen = (self._seen + data)[-ENOUGH:]
        name = self._guess(self._seen)
        if name is None:
            return b""
        self._print(f"  this looks like {name}: {self._protocols[name].title}")
        self._receiver = self._protocols[name].receiver(self._keys, self._options)
        return self._seen

    def end(self) -> None:
        """The line ended."""
        for item in self._receiver.silence() if self._receiver else ():
            self._found(item)

    def _found(self, item: Found) -> None:
        if not isinstance(item, Telegram):
            self._print(f"  {item.code}: {item.message}")
            return
        meter = f" of {item.meter.manufacturer or ''} {item.meter.id}" if item.meter else ""
        self._print(f"  {item.protocol}, {item.length} bytes{meter}{'' if item.valid else ', not valid'}")
        for problem in item.problems:
            self._print(f"    {problem.code}: {problem.message}")
        for reading in item.readings:
            what = reading.register.obis or reading.register.address or reading.register.quantity
            value = reading.value.hex() if isinstance(reading.value, bytes | bytearray) else reading.value
            self._print(f"    {what} = {value} {reading.unit.value if reading.unit else ''}".rstrip())

    def _print(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
