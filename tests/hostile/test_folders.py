"""Altered run folders through the commands that read them: one line and exit code 2, or a correct result."""

import pytest

from .case import outcome
from .checkpoints import CHECKPOINTS
from .folders import FOLDERS
from .models import MODELS
from .studies import STUDIES

CASES = [*FOLDERS, *CHECKPOINTS, *MODELS, *STUDIES]


# Damage of one kind goes through several commands one after the other: every second case is left to `make test-all`
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.long if i % 2 else (), id=case.name) for i, case in enumerate(CASES)]
)
def test_folder(case, made, apart, place, capfd, record_property):
    made.copy_to(place, case.needs)
    end, faults = apart.outcome(case, place) if case.apart else outcome(case, place, capfd)
    record_property("hostile", ("folders", end))
    assert not faults, "; ".join(faults)


def test_there_are_at_least_100_and_each_has_a_name_of_its_own():
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
