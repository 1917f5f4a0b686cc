"""Hostile files and flags through the command line: one line and exit code 2, or a correct result."""

import pytest

from .arrays import ARRAYS
from .case import outcome
from .flags import FLAGS
from .places import PLACES
from .sparse import SPARSE
from .texts import TEXTS

CASES = [*ARRAYS, *TEXTS, *SPARSE, *FLAGS, *PLACES]


# Damage of one kind goes through several commands one after the other: every second case is left to `make test-all`
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.long if i % 2 else (), id=case.name) for i, case in enumerate(CASES)]
)
def test_input(case, made, apart, place, capfd, record_property):
    made.copy_to(place, case.needs)
    end, faults = apart.outcome(case, place) if case.apart else outcome(case, place, capfd)
    record_property("hostile", ("inputs", end))
    assert not faults, "; ".join(faults)


def test_there_are_at_least_200_and_each_has_a_name_of_its_own():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)
