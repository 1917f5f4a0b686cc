"""The memory of a machine: how much there is, and what is made dense of it at a time."""

import numpy as np
import pytest

from vade_tf import machine


@pytest.mark.parametrize(("limit", "expected"), [("4096\n", 4096), ("max\n", None), (None, None), (f"{2**62}", None)])
def test_a_container_may_have_less_memory_than_the_machine(tmp_path, monkeypatch, limit, expected):
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", ())
    whole = machine.memory()
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (tmp_path / "memory.max", tmp_path / "not there"))
    assert machine.memory() == (expected or whole)


@pytest.mark.parametrize(("n", "width", "size"), [(0, 3, 4), (3, 3, 4), (8, 3, 4), (9, 3, 4), (9, 10, 2), (3, 100, 1)])
def test_spans_hold_every_row_once_and_no_more_than_fit_together(n, width, size, monkeypatch):
    monkeypatch.setattr(machine, "MAX_NUMBERS_DENSE", 20)
    found = [np.arange(n)[rows] for rows in machine.spans(n, width, 4)]
    assert np.concatenate([np.zeros(0, int), *found]).tolist() == list(range(n))
    assert [len(rows) for rows in found] == [size] * (n // size) + [n % size] * (n % size > 0)
