"""The watchdog: late, suspect, down; one broken wire is one event; whoever answers again is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.station.archive.models import Register
from metergate.station.archive.seed import seed
from metergate.station.collect import services, watch
from metergate.station.collect.models import Event, Presence
from station import street

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = ("ok", "late", "suspect", "down")


@pytest.mark.parametrize(
    ("seconds", "period", "state"),
    [
        (0, 60, "ok"),
        (59, 60, "ok"),
        (60, 60, "late"),
        (180, 60, "suspect"),
        (600, 60, "down"),
        (900, 120, "down"),
        (900, 900, "late"),
        (2700, 900, "down"),
    ],
)
def test_state_of_a_silence(seconds: int, period: int, state: str) -> None:
    assert watch.state_of(timedelta(seconds=seconds), period) == state


@given(st.integers(-100, 10_000), st.integers(1, 5_000), st.integers(1, 3_600))
def test_longer_silence_is_never_better(seconds: int, more: int, period: int) -> None:
    first, second = (ORDER.index(watch.state_of(timedelta(seconds=s), period)) for s in (seconds, seconds + more))
    assert first <= second


def states() -> dict[str, str]:
    return dict(Presence.objects.values_list("code", "state"))


@pytest.fixture
def wired(db: None) -> None:
    seed(street.estate_plan())
    services.heard(Presence.Kind.GATEWAY, "gw-1", NOW)
    watch.hear_wires(Register.objects.all(), NOW)


def test_a_broken_line_is_one_event(wired: None) -> None:
    assert states() == {"gw-1": "ok", "L1": "ok", "L1-18": "ok"}
    later = NOW + timedelta(hours=3)
    assert watch.look(later) == ["L1"]
    assert states() == {"gw-1": "ok", "L1": "down", "L1-18": "unreachable"}
    assert watch.look(later + timedelta(hours=1)) == []
    assert [event.code for event in Event.objects.all()] == ["LINE_DOWN"]


def test_under_a_dead_gateway_nothing_else_is_told(wired: None) -> None:
    services.died(Presence.Kind.GATEWAY, "gw-1", NOW + timedelta(minutes=1))
    assert watch.look(NOW + timedelta(hours=3)) == []
    assert states() == {"gw-1": "down", "L1": "unreachable", "L1-18": "unreachable"}
    assert [event.code for event in Event.objects.all()] == ["GATEWAY_DOWN"]


def test_a_collector_alone_goes_down_alone(wired: None) -> None:
    direct = Register.objects.filter(meter__channels__collector=None)
    later = NOW + timedelta(hours=3)
    watch.hear_wires(direct, later)
    assert watch.look(later) == ["L1-18"]
    assert states() == {"gw-1": "ok", "L1": "ok", "L1-18": "down"}


def test_whoever_answers_again_is_well(wired: None) -> None:
    watch.look(NOW + timedelta(hours=3))
    watch.hear_wires(Register.objects.all(), NOW + timedelta(hours=3, minutes=5))
    assert watch.look(NOW + timedelta(hours=3, minutes=6)) == []
    assert set(states().values()) == {"ok"}
