"""What supersedes an update is found through chains and circles, and each one is looked up once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from tasks.approvals.successors import Successors
from tests.approvals.building import looked_up, u

IDS = st.sampled_from([u(number) for number in range(7)])
TABLES = st.dictionaries(IDS, st.frozensets(IDS, max_size=3))
TRAITS = st.dictionaries(IDS, st.integers(0, 7))


def walked(table: Mapping[str, Collection[str]], update_id: str) -> set[str]:
    """All that supersede an update, walked from it alone."""
    found: set[str] = set()
    pending = list(table.get(update_id, ()))
    while pending:
        successor = pending.pop()
        if successor not in found:
            found.add(successor)
            pending.extend(table.get(successor, ()))
    return found - {update_id}


@given(table=TABLES, traits=TRAITS, asked=st.lists(IDS, min_size=1))
def test_the_traits_are_those_of_all_successors_in_whatever_order_one_asks(
    table: dict[str, frozenset[str]], traits: dict[str, int], asked: list[str]
) -> None:
    successors = Successors(looked_up(table), lambda update_id: traits.get(update_id, 0))
    for update_id in asked:
        expected = 0
        for successor in walked(table, update_id):
            expected |= traits.get(successor, 0)
        assert successors.traits(update_id) == expected


def test_every_update_of_a_long_chain_is_looked_up_once() -> None:
    length = 100_000
    looked: Counter[str] = Counter()

    def superseded_by(update_id: str) -> Collection[str]:
        looked[update_id] += 1
        number = int(update_id[:8], 16)
        return {u(number + 1)} if number < length else ()

    begun = time.process_time()
    successors = Successors(superseded_by, lambda update_id: update_id == u(length))
    assert all(successors.traits(u(number)) == 1 for number in range(length))
    assert successors.traits(u(length)) == 0
    assert set(looked.values()) == {1}
    assert time.process_time() - begun < 10
