"""What a program around the station calls: set it up, bring in an estate and its history, let somebody in.

    from metergate.station import services

    services.setup({"METERGATE_STATION_STATE": "..."})       # environment, key file, tables; once a process
    estate = services.seed_demo(plan, progress)              # plan: metergate.station.archive.plan.EstatePlan
    services.load_history(start, end, make, progress)        # make(key, unit, scaler, times_ms) -> integers
    password = services.create_operator("anna", "operator")  # one-time

Import of Django's parts happens inside the functions, since Django wants to be set up first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from metergate.station.archive.models import Register
    from metergate.station.archive.plan import EstatePlan

Course = Callable[[str, str, int, NDArray[np.int64]], NDArray[np.int64]]


def setup(environ: Mapping[str, str] | None = None) -> None:
    """Configure this process for the station and bring its database up to date. ConfigError."""
    import django
    from django.core.management import call_command

    from metergate.station import conf

    os.environ.update(environ or {})
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "metergate.station.settings")
    conf.keep_secret(conf.load())
    django.setup()
    call_command("migrate", verbosity=0)


def seed_demo(estate: EstatePlan, progress: Callable[[str, int], None] = lambda table, rows: None) -> None:
    """Bring in an estate; where its code is there already, what the plan has more than it."""
    from metergate.station.archive.models import Estate
    from metergate.station.archive.seed import complete, seed

    write = complete if Estate.objects.filter(code=estate.code).exists() else seed
    write(estate, progress)


def load_history(
    start: datetime,
    end: datetime,
    make: Course,
    progress: Callable[[int, int], None] = lambda done, whole: None,
    keys: Sequence[str] | None = None,
) -> int:
    """Write the history of all registers (or those of `keys`) in start <= t < end; returns the number of values.

    `make(key, unit, scaler, times)` gives integers at the register's scaler for `times`, ms since 1970 on its grid.
    Latest values move to the end of the history. Doing so again with the same values changes nothing.
    """
    from metergate.station.archive.models import Register
    from metergate.station.collect import history, services

    rows = Register.objects.order_by("pk")
    registers = list(rows.filter(key__in=keys) if keys is not None else rows)

    def course(register: Register, times: NDArray[np.int64]) -> NDArray[np.int64]:
        return make(register.key, register.unit, register.scaler, times)

    written = history.fill(registers, start, end, course, progress)
    services.note_latest(history.newest(registers))
    return written


def create_operator(name: str, role: str = "operator", room: str = "", password: str | None = None) -> str:
    """Let somebody in and return the password (one-time unless given). `room`: a room's code, for a household."""
    from metergate.station.archive.models import Room
    from metergate.station.staff import services

    return services.create_operator(name, role, Room.objects.get(code=room) if room else None, password)
