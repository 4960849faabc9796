"""One meter, once: open the line, listen or ask, close it again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from metergate.errors import ConfigError, NoAnswer
from metergate.links import Link, open_link
from metergate.meters.driver import Line, Listener
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.translate import Translator
from metergate.meters.usual import usual_address
from metergate.wire import protocols
from metergate.wire.base import Found, Telegram


async def read_once(url: str, protocol: str, target: Target, patience: float = 30.0) -> Telegram:
    """The first telegram with values of the target (of any meter, if it has no id), OBIS codes put in.

    ConfigError: no such protocol or address. LinkError. NoAnswer after `patience` seconds. DecodeError.
    """
    if protocol not in protocols():
        raise ConfigError(f"unknown protocol {protocol!r}: there are {', '.join(protocols())}")
    link = await open_link(usual_address(url, protocol))
    try:
        async with asyncio.timeout(patience):
            telegram = await (_ask if protocol in POLLERS else _listen)(link, protocol, target)
    except TimeoutError:
        raise NoAnswer(f"{url}: no {protocol} meter was heard within {patience:g} s") from None
    finally:
        await link.close()
    return replace(telegram, readings=Translator()(telegram))


async def _ask(link: Link, protocol: str, target: Target) -> Telegram:
    line = Line(link)
    try:
        return await line.ask(POLLERS[protocol]({}).read(target))
    finally:
        await line.close()


async def _listen(link: Link, protocol: str, target: Target) -> Telegram:
    heard: asyncio.Queue[Telegram] = asyncio.Queue()

    def take(item: Found) -> None:
        if isinstance(item, Telegram) and item.readings and item.meter and target.id in ("", item.meter.id):
            heard.put_nowait(item)

    receiver = protocols()[protocol].receiver({"key": target.key} if target.key else {}, {})
    running = asyncio.ensure_future(Listener(link, receiver, take).run())
    running.add_done_callback(lambda _: waiting.cancel())
    waiting = asyncio.ensure_future(heard.get())
    try:
        await asyncio.wait([waiting])
        if not heard.empty() or not waiting.cancelled():
            return heard.get_nowait() if waiting.cancelled() else waiting.result()
        await running
        raise NoAnswer(f"{link.name} ended before a {protocol} meter was heard")
    finally:
        running.cancel()
        waiting.cancel()
