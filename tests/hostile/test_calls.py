"""Calls of the API with what does not fit: each a ValueError that names the argument, or a right result."""

import pytest

from .calls import CALLS
from .fits import Bench
from .judge import LONGEST, Hangs, faults_of_files, faults_of_line, last_lines, limited, tree


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def outcome(call, bench) -> tuple[str, list[str]]:
    """ "refused" or "right", and what is wrong, nothing if all is well."""
    expected = (ValueError, TypeError) if call.sklearn else (ValueError,)
    try:
        with limited():
            found = call.call(bench)
    except expected as error:
        words = " ".join(str(error).split())[:LONGEST] if call.sklearn else str(error)
        return "refused", faults_of_line(words, call.names)
    except (Exception, Hangs) as error:
        return "refused", [last_lines(error)]
    if call.right is None:
        return "right", [f"was accepted: {str(found)[:200]}"]
    return "right", [] if call.right(found) else [f"a wrong result: {str(found)[:200]}"]


@pytest.mark.parametrize("call", CALLS, ids=[call.name for call in CALLS])
def test_call(call, bench, place, record_property):
    before = tree(place)
    end, faults = outcome(call, bench)
    record_property("hostile", ("calls", end))
    faults += faults_of_files(before, tree(place))
    assert not faults, "; ".join(faults)


def test_there_are_at_least_60_and_each_has_a_name_of_its_own():
    assert len(CALLS) >= 60
    assert len({call.name for call in CALLS}) == len(CALLS)
