"""Lines that another program writes: started from here, or before us in a pipe. Nothing is ever sent to it."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import stat
from pathlib import Path

from metergate.errors import ConfigError, LinkError
from metergate.links.address import Address
from metergate.links.descriptor import DescriptorLink

SETTINGS = ("args",)
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
GRACE = 5.0
"""Seconds that a program has to end by itself."""


class ReadOnlyLink(DescriptorLink):
    """A descriptor that is only read."""

    async def write(self, data: bytes) -> None:
        """LinkError: nobody listens."""
        raise LinkError(f"{self.name}: this line is only read")


class ProgramLink(ReadOnlyLink):
    """What a program writes to its standard output; closing the link ends the program."""

    def __init__(self, name: str, fd: int, process: asyncio.subprocess.Process) -> None:
        super().__init__(name, fd)
        self.process = process

    async def close(self) -> None:
        """End the program, and wait until it is gone."""
        await super().close()
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(GRACE):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def _checked(address: Address) -> Path:
    """The program's file. ConfigError if it is none, or one that others may change."""
    address.needs(path=True, example="pipe:///usr/bin/rtl_wmbus?args=-s")
    program = Path(address.path)
    try:
        mode = program.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{address.name}: {error.strerror}") from error
    if not stat.S_ISREG(mode) or not os.access(program, os.X_OK):
        raise ConfigError(f"{address.name}: {program} is no program")
    if mode & _OTHERS_WRITE:
        raise ConfigError(f"{address.name}: others than its owner may change {program}; chmod go-w it")
    return program


def tied() -> tuple[str, ...]:
    """What goes before a command so that a crash of ours ends it; nothing where the system has no setpriv."""
    found = shutil.which("setpriv")
    return (found, "--pdeathsig", "TERM", "--") if found else ()


async def open_program(address: Address) -> ProgramLink:
    """`pipe:///path/to/program?args=...`: started without a shell; several in a row are a script of your own."""
    program = _checked(address)
    try:
        arguments = shlex.split(address.settings.get("args", ""))
    except ValueError as error:
        raise ConfigError(f"{address.name}: args: {error}") from error
    ours, theirs = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        os.close(ours)
        raise LinkError(f"{address.name}: {error.strerror}") from error
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    return ProgramLink(address.name, ours, process)


async def open_stdin(address: Address) -> ReadOnlyLink:
    """`stdin://`: what a program before us in the pipe writes. LinkError if standard input cannot be watched."""
    ours = os.dup(0)
    os.set_blocking(ours, False)
    try:
        return ReadOnlyLink(address.name, ours)
    except (OSError, ValueError) as error:
        os.close(ours)
        raise LinkError(f"{address.name}: standard input is no pipe: {error}") from error
