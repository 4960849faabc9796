"""Programs and standard input as lines, sticks by their address."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from metergate.errors import ConfigError, LinkError
from metergate.links import check_address, open_link
from metergate.links.program import ProgramLink
from metergate.links.stick import stick_options

pytestmark = pytest.mark.anyio


def script(folder: Path, text: str, mode: int = 0o700) -> Path:
    file = folder / "radio"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(mode)
    return file


async def all_of(address: str) -> bytes:
    link = await open_link(address)
    found = b""
    try:
        while data := await link.read():
            found += data
    except LinkError:
        pass
    finally:
        await link.close()
    return found


async def test_what_a_program_writes(tmp_path: Path) -> None:
    file = script(tmp_path, 'printf "%s|" "$@"')
    assert await all_of(f"pipe://{file}?args=-f%20868.95M%20'a%20b'%20%24HOME") == b"-f|868.95M|a b|$HOME|"


async def test_a_program_ends_with_its_line(tmp_path: Path) -> None:
    link = await open_link(f"pipe://{script(tmp_path, 'echo here; exec cat /dev/zero')}")
    assert isinstance(link, ProgramLink)
    assert (await link.read()).startswith(b"here\n")
    await link.close()
    assert link.process.returncode is not None
    with pytest.raises(LinkError, match="only read"):
        await link.write(b"x")


async def test_a_program_that_breaks_off_is_a_broken_line(tmp_path: Path) -> None:
    link = await open_link(f"pipe://{script(tmp_path, 'exit 3')}")
    with pytest.raises(LinkError, match="gone"):
        await link.read()
    await link.close()


@pytest.mark.parametrize("mode", [0o600, 0o722, 0o770])
async def test_files_that_are_not_started(tmp_path: Path, mode: int) -> None:
    file = script(tmp_path, f"touch {tmp_path / 'started'}", mode)
    with pytest.raises(ConfigError):
        await open_link(f"pipe://{file}")
    for wrong in (f"pipe://{tmp_path}", f"pipe://{tmp_path}/none", "pipe://", f"pipe://{file}?args='"):
        with pytest.raises(ConfigError):
            await open_link(wrong)
    assert not (tmp_path / "started").exists()


async def test_standard_input(tmp_path: Path) -> None:
    code = (
        "import asyncio\nfrom metergate.links import open_link\n"
        "async def run():\n    link = await open_link('stdin://')\n    print((await link.read()).decode())\n"
        "asyncio.run(run())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(b"T1;1;1")
    assert out.strip() == b"T1;1;1"


async def test_a_stick_is_a_serial_port(tmp_path: Path) -> None:
    ours = await open_link(f"pty://{tmp_path / 'tty'}")
    port = os.readlink(tmp_path / "tty")
    stick = await open_link(f"stick://im871a{port}?mode=C1")
    await ours.write(b"\xa5")
    assert await stick.read() == b"\xa5"
    await stick.write(b"hello")
    assert await ours.read() == b"hello"
    assert ours.baud == 57600  # type: ignore[attr-defined]
    await stick.close()
    await ours.close()


async def test_sticks_that_there_are_not() -> None:
    for wrong in ("stick://other/dev/ttyUSB0", "stick:///dev/ttyUSB0", "stick://cul"):
        with pytest.raises(ConfigError):
            await open_link(wrong)
    with pytest.raises(ConfigError, match="speed"):
        check_address("stick://cul/dev/ttyUSB0?speed=1")


def test_what_the_receiver_has_to_know() -> None:
    assert stick_options("stick://cul/dev/ttyUSB0?mode=S1") == {"stick": "cul", "stick_mode": "S1"}
    assert stick_options("pipe:///bin/x") == stick_options("stdin://") == {"stick": "lines"}
    assert stick_options("/dev/ttyUSB0?baud=9600") == stick_options("tcp://host:1") == {}
