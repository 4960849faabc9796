"""Numbers as people read them: units to fit, places to fit, ages in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from metergate.station.collect.series import Counted

_FITTING = {
    "Wh": (("kWh", 3),),
    "W": (("W", 0),),
    "varh": (("kvarh", 3),),
    "m3": (("m³", 0),),
    "m3/h": (("m³/h", 0),),
    "l": (("l", 0),),
    "degC": (("°C", 0),),
}
_PLACES = {"kWh": 2, "W": 0, "kW": 2, "m³": 3, "V": 1, "A": 2, "Hz": 2, "°C": 1, "l": 0, "MJ": 1, "GJ": 3, "m³/h": 3}
MISSING = "–"


def fit(value: Decimal, unit: str) -> tuple[Decimal, str]:
    """The value in the unit that people use for it: Wh become kWh, m3 is written m³."""
    for name, shift in _FITTING.get(unit, ()):
        return value.scaleb(-shift), name
    return value, unit


def places(unit: str) -> int:
    """Decimal places that a fitted unit is shown with."""
    return _PLACES.get(unit, 2)


def text(value: Decimal | int, decimals: int) -> str:
    """With the locale's separators, rounded half up."""
    exact = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return number_format(exact, decimals, use_l10n=True, force_grouping=True)


def shown(value: Decimal | float | None, unit: str, decimals: int | None = None) -> tuple[str, str]:
    """Text and unit of a measured value; a dash where there is none."""
    if isinstance(value, int | float):
        value = Decimal(str(value))
    if not isinstance(value, Decimal):
        return MISSING, fit(Decimal(0), unit)[1]
    fitted, name = fit(value, unit)
    if decimals is None:
        decimals = 0 if not name and fitted == fitted.to_integral_value() else places(name)
    return text(fitted, decimals), name


def newest(value: Decimal | None, said: str, unit: str) -> tuple[str, str]:
    """As `shown`, or what a register says in words where it has no number."""
    return (said.strip(), "") if value is None and said.strip() else shown(value, unit)


def lacking(found: Counted, form: str) -> str:
    """What an amount lacks, in words; nothing for a whole one. `form`: how the first value's time is written."""
    if found.since is None:
        return "" if found.amount is not None else _("no value")
    words = _("since %(time)s") if found.amount is not None else _("first value %(time)s")
    return words % {"time": date_format(timezone.localtime(found.since), form)}


def age(at: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds < 60:
        return ngettext("%(n)d s ago", "%(n)d s ago", seconds) % {"n": seconds}
    if seconds < 3600:
        return ngettext("%(n)d min ago", "%(n)d min ago", seconds // 60) % {"n": seconds // 60}
    if seconds < 172_800:
        return ngettext("%(n)d h ago", "%(n)d h ago", seconds // 3600) % {"n": seconds // 3600}
    return ngettext("%(n)d day ago", "%(n)d days ago", seconds // 86_400) % {"n": seconds // 86_400}


def freshness(at: datetime | None, period_s: int, now: datetime) -> str:
    """ "live" within the expected interval, "aged" past it, "stale" past twice of it, "absent" where there is none."""
    if at is None:
        return "absent"
    late = now - at
    period = timedelta(seconds=max(period_s, 60))
    return "live" if late <= period else "aged" if late <= 2 * period else "stale"


def reason(at: datetime | None, zone_text: str) -> str:
    """Why there is a dash."""
    return _("no value yet") if at is None else _("no answer since %(at)s") % {"at": zone_text}
