"""The gateway's own process: what `metergate gateway run` becomes. It loads nothing but what the daemon needs.

python -m metergate.gatewayd gateway.toml
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

SMALL = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}
"""Keeps a process small that has no use for many threads."""


def become(config: Path) -> NoReturn:
    """Turn this process into the daemon: same process number, same standard streams, a fraction of the memory."""
    environment = {**SMALL, **os.environ}
    os.execve(sys.executable, [sys.executable, "-m", "metergate.gatewayd", str(config)], environment)  # noqa: S606


def main(config: Path) -> int:
    """Run until told to stop. A mistake in the settings or a part that cannot start is one line and status 1."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # else the log library loads 5 MB of terminal decoration
    import asyncio
    import gc
    from functools import partial

    from metergate.config import load_gateway
    from metergate.errors import MetergateError

    try:
        settings = load_gateway(config)
        from metergate.gateway.daemon import Gateway
        from metergate.gateway.logs import configure
        from metergate.meters.map import load_maps

        configure(settings.log)
        load_maps()
        gc.freeze()  # code and maps stay for ever: the collector need not walk through them again and again
        asyncio.run(Gateway(settings, partial(load_gateway, config)).run())
    except MetergateError as error:
        sys.stderr.write(f"metergate: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
