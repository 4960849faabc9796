"""The watch learns each meter's rhythm and names who is silent, once."""

import pytest

from metergate.gateway.watch import FLOOR, PATIENCE, Heard, Watch


def speak(watch: Watch, meter: str, *times: float) -> None:
    for time in times:
        watch.heard(meter, time)


@pytest.mark.parametrize("period", [2.0, 60.0, 900.0])
def test_silence_is_a_matter_of_the_learnt_interval(period: float) -> None:
    watch = Watch()
    speak(watch, "m", *(period * n for n in range(20)))
    last = period * 19
    assert list(watch.missed(last + PATIENCE * period * 0.9)) == []
    assert list(watch.missed(last + PATIENCE * period * 1.1)) == ["m"]
    assert list(watch.missed(last + PATIENCE * period * 2)) == []
    assert watch.heard("m", last + PATIENCE * period * 3)
    assert not watch.heard("m", last + PATIENCE * period * 3 + period)


def test_an_outage_does_not_blunt_the_watch() -> None:
    heard = Heard(0)
    for time in range(1, 20):
        heard.again(float(time))
    heard.silent = True
    heard.again(86_400.0)
    heard.silent = False
    assert heard.interval == pytest.approx(1.0)


def test_a_fast_meter_is_not_blamed_for_a_hiccup() -> None:
    watch = Watch()
    speak(watch, "m", *(n / 10 for n in range(50)))
    assert list(watch.missed(4.9 + FLOOR - 1)) == []
    assert list(watch.missed(4.9 + FLOOR + 1)) == ["m"]


def test_a_meter_that_was_expected_and_never_came() -> None:
    watch = Watch()
    watch.expect("m", 0.0, 60.0)
    assert list(watch.missed(60.0 * PATIENCE + 1)) == ["m"]
    watch.forget("m")
    assert watch.heard("m", 1e6)
