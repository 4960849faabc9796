"""The four reading methods: the worked cases, and what has to hold for every split of a period."""

from decimal import Decimal as D
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.meters.ways import (
    PT_SECONDARIES,
    Basis,
    Finding,
    Losses,
    Piece,
    Prepaid,
    Rules,
    adders,
    difference,
    exchange,
    factor,
    prepaid,
    prepaid_entry,
    quantity,
    ratios,
)

CASES = {
    "1 direct": ("4512.30", "4731.85", factor(), "219.55"),
    "2a CT 100/5": ("123.40", "201.95", factor(ratios("100/5")[0]), "1571.00"),
    "2b CT 150/5": ("123.40", "201.95", factor(ratios("150/5")[0]), "2356.50"),
    "2d CT and PT": ("0", "1.25", factor(ratios("100/5")[0], ratios("10000/100", PT_SECONDARIES)[0]), "2500"),
    "3a times three": ("1234", "1301", factor(phases=3), "201"),
    "3b CT times three": ("1234", "1301", factor(ratios("75/5")[0], phases=3), "3015"),
    "4b prepaid by CT": ("1820.4", "1902.7", factor(ratios("100/5")[0]), "1646.0"),
}


@pytest.mark.parametrize("case", CASES)
def test_worked_cases(case: str) -> None:
    previous, present, times, expected = CASES[case]
    moved = difference(D(previous), D(present)).amount
    assert moved is not None
    assert quantity(moved, times) == D(expected)


def test_losses_are_rows_of_their_own() -> None:
    losses = Losses(D("0.29"), D(744), D("1.0"), D("0.8"))
    assert [row.amount for row in adders(D("1571.00"), losses)] == [D("215.76"), D("15.71"), D("12.568")]
    assert quantity(D("78.55"), D(20), losses) == D("1815.038")


def test_line_loss_may_count_transformer_loss_too() -> None:
    losses = Losses(D("0.29"), D(744), D("1.0"), D("0.8"), line_of_all=True)
    assert adders(D("1571.00"), losses)[-1].amount == (D("1571.00") + D("215.76") + D("15.71")) * D("0.008")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100/5", "20"), ("150/5", "30"), ("100/1", "100"), ("100/5, 150/5", "20 30"), ("100/5 150/5", "20 30")],
)
def test_ratio_text(text: str, expected: str) -> None:
    assert ratios(text) == tuple(D(value) for value in expected.split())


def test_a_lost_separator_is_refused_with_a_hint() -> None:
    with pytest.raises(BadValue, match="100/5 150/5"):
        ratios("100/5150/5")


@pytest.mark.parametrize("text", ["", "100", "100/3", "100/5150", "0/5", "a/5", "-100/5", "100/5/5", "10000/100"])
def test_what_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        ratios(text)


def test_primary_values_are_not_multiplied() -> None:
    assert factor(D(20), D(100), 3, Basis.PRIMARY) == 1
    with pytest.raises(BadValue):
        factor(phases=2)


@pytest.mark.parametrize(("digits", "previous"), [(5, "99987"), (6, "999987"), (8, "99999987")])
def test_rollover_counts_the_zero(digits: int, previous: str) -> None:
    found = difference(D(previous), D(34), Rules(digits=digits, plausible=D(100)))
    assert (found.amount, found.finding) == (D(47), Finding.ROLLOVER)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(),
        Rules(digits=5),
        Rules(digits=5, plausible=D(46)),
        Rules(digits=5, plausible=D(100_000)),
        Rules(digits=6, plausible=D(100)),
    ],
)
def test_rollover_needs_every_reason(rules: Rules) -> None:
    found = difference(D(99987), D(34), rules)
    assert (found.amount, found.finding) == (None, Finding.AMBIGUOUS)


def test_double_rollover_is_for_people_even_if_the_register_rose() -> None:
    assert difference(D(10), D(50), Rules(digits=3, plausible=D(1000))).amount is None


def test_exchange() -> None:
    assert exchange([Piece(D("8120.4"), D("8277.9")), Piece(D("0.3"), D("61.7"))]) == D("218.9")
    assert exchange([Piece(D("8120.4"), D("8277.9"), D(20)), Piece(D("0.3"), D("61.7"), D(30))]) == D(4992)
    with pytest.raises(BadValue):
        exchange([Piece(D(10), D(9))])


def test_reversed_meter_only_when_confirmed() -> None:
    assert difference(D(5432), D(5420)).finding is Finding.AMBIGUOUS
    assert difference(D(5432), D(5420), Rules(reversal=True)).amount == 12
    assert difference(D(5420), D(5432), Rules(reversal=True)).amount is None


def test_reset_needs_evidence_and_a_real_drop() -> None:
    assert difference(D(5432), D("3.5")).amount is None
    assert difference(D(5432), D("3.5"), Rules(reset=True)).finding is Finding.RESET
    assert difference(D(5432), D(5000), Rules(reset=True)).finding is Finding.AMBIGUOUS


def test_a_small_dip_is_noise() -> None:
    found = difference(D("100.0"), D("99.9"))
    assert (found.amount, found.finding) == (D(0), Finding.NOISE)


def test_prepaid_identity() -> None:
    before, now = Prepaid(D("1820.4"), D("117.6")), Prepaid(D("1902.7"), D("135.3"))
    right = prepaid(before, now, D("100.0"))
    assert (right.used, right.gap, right.alarm) == (D("82.3"), D("0.0"), None)
    by_ct = prepaid(before, now, D("100.0"), D(20))
    assert (by_ct.used, by_ct.remaining) == (D("1646.0"), D("2706.0"))
    assert prepaid(before, now, D("99.8")).alarm == "PREPAID_IDENTITY"
    assert prepaid(before, now, D("99.9")).alarm is None


def test_prepaid_entry_wants_both_numbers() -> None:
    assert prepaid_entry(D(1), D(2)) == Prepaid(D(1), D(2))
    with pytest.raises(BadValue):
        prepaid_entry(D(1), None)


@given(
    st.lists(st.decimals(0, 999_999, places=3), min_size=2, max_size=20).map(sorted),
    st.sampled_from([D(1), D(3), D(20), D("37.5"), D(2000)]),
)
def test_any_split_of_a_period_adds_up_to_the_register(values: list[D], times: D) -> None:
    parts = pairwise(values)
    amounts = [difference(start, end).amount for start, end in parts]
    total = sum((quantity(amount, times) for amount in amounts if amount is not None), D(0))
    assert total == (values[-1] - values[0]) * times
