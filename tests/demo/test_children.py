"""The demo's processes end with it, however it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

PARENT = """
import asyncio, sys
from pathlib import Path
from metergate.demo.children import Child

async def main():
    folder = Path(sys.argv[1])
    child = Child("meter", ["serve-meter", "p1"], folder / "log")
    child.start()
    while not (folder / "log").exists() or not (folder / "log").read_text():
        await asyncio.sleep(0.05)
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.anyio
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
async def test_a_child_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", PARENT, str(tmp_path))
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    handle, gone = os.pidfd_open(int(await parent.stdout.readline())), asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    assert not gone.is_set()
    parent.kill()
    await asyncio.wait_for(gone.wait(), 60)
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
    await parent.wait()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
