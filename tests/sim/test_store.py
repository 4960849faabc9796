"""The collector's memory: what was appended is there after any end; nothing torn is ever read."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.sim import store as module
from metergate.sim.store import SIZE, Store
from metergate.wire.mgc1.records import Record


def record(cursor: int, value: int) -> bytes:
    return Record(cursor, 1, 0x10, 1_700_000_000 + value, value).encode()


def values(store: Store, cursor: int = 0) -> list[int]:
    return [Record.decode(octets).value for octets in store.read(cursor, 100_000)]


def fill(store: Store, numbers: range) -> None:
    store.append([partial(record, value=number) for number in numbers])


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    fill(Store(tmp_path), range(10))
    fill(Store(tmp_path), range(10, 15))
    assert values(Store(tmp_path)) == list(range(15))
    assert [Record.decode(octets).cursor for octets in Store(tmp_path).read(0, 99)] == list(range(1, 16))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10 * SIZE), st.binary(max_size=30))
def test_a_torn_tail_is_discarded(tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes) -> None:
    folder = tmp_path_factory.mktemp("store")
    fill(Store(folder), range(10))
    (segment,) = folder.glob("*.log")
    segment.write_bytes(segment.read_bytes()[:cut] + garbage)
    store = Store(folder)
    kept = values(store)
    assert kept == list(range(len(kept)))
    assert len(kept) >= cut // SIZE
    fill(store, range(100, 103))
    assert values(Store(folder)) == [*kept, 100, 101, 102]


def test_a_full_memory_drops_the_acknowledged_first_and_names_what_else_it_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT", 10)
    lost: list[tuple[int, int]] = []
    store = Store(tmp_path, most=30, overrun=lambda first, last: lost.append((first, last)))
    fill(store, range(20))
    store.acknowledge(15)
    fill(store, range(20, 60))
    assert lost == [(16, 20), (21, 30)]
    assert store.oldest == 31
    assert values(store) == list(range(30, 60))


def test_acknowledging_backwards_or_beyond_the_end_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, range(5))
    store.acknowledge(4)
    store.acknowledge(2)
    store.acknowledge(99)
    assert Store(tmp_path).acknowledged == 4
