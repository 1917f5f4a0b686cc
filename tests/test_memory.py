"""The memory of a machine: how much there is, and what is refused that would take more."""

import numpy as np
import pandas
import pytest

from vade_tf import machine


def test_texts_are_as_wide_as_the_longest_where_that_is_not_far_more_than_they_are_long(monkeypatch):
    short, long = ["a"] * 99 + ["bb"], ["a"] * 99 + ["b" * 1000]
    kept = np.array([*long[98:], 3, None, b"c"], object)
    assert machine.padded(kept, "id").tolist() == kept.astype(str).tolist()
    monkeypatch.setattr(machine, "memory", lambda: 8 * 1000)
    assert machine.padded(np.array(short, object), "id").tolist() == short
    assert machine.padded(["b" * 1000] * 100, "id").dtype == "U1000"
    with pytest.raises(ValueError, match="id holds a text of 1,000 characters among shorter ones"):
        machine.padded(np.array(long, object), "id")


@pytest.mark.parametrize(("limit", "expected"), [("4096\n", 4096), ("max\n", None), (None, None), (f"{2**62}", None)])
def test_a_container_may_have_less_memory_than_the_machine(tmp_path, monkeypatch, limit, expected):
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine, "CONTAINER", ())
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "not there")
    all_of_it = machine.memory()
    monkeypatch.setattr(machine, "CONTAINER", (tmp_path / "memory.max", tmp_path / "not there"))
    assert machine.memory() == (all_of_it if expected is None else expected)
    assert all_of_it > 2**28


@pytest.mark.parametrize(
    ("groups", "folder", "name"),
    [
        ("0::/system.slice/job_7/step_0\n", "system.slice/job_7", "memory.max"),  # as Slurm limits a job
        ("0::/job:7/step_0\n", "job:7", "memory.max"),
        ("5:cpu:/x\n4:memory:/slurm/job_7/step_0\n", "memory/slurm/job_7", "memory.limit_in_bytes"),
    ],
)
def test_a_job_may_have_less_memory_than_its_machine(tmp_path, monkeypatch, groups, folder, name):
    (tmp_path / "groups").write_text(groups)
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
    all_of_it = machine.memory()
    (tmp_path / folder / "step_0").mkdir(parents=True)
    (tmp_path / folder / name).write_text("4096\n")
    assert machine.memory() == 4096 < all_of_it


@pytest.mark.parametrize(("n", "width", "size"), [(0, 3, 4), (3, 3, 4), (8, 3, 4), (9, 3, 4), (9, 10, 2), (3, 100, 1)])
def test_spans_hold_every_row_once_and_no_more_than_fit_together(n, width, size, monkeypatch):
    monkeypatch.setattr(machine, "TOGETHER", 20)
    found = [np.arange(n)[rows] for rows in machine.spans(n, width, 4)]
    assert np.concatenate([np.zeros(0, int), *found]).tolist() == list(range(n))
    assert [len(rows) for rows in found] == [size] * (n // size) + [n % size] * (n % size > 0)


def test_durations_are_texts_as_pandas_writes_them():
    """NumPy cuts them off."""
    spans = pandas.Series(pandas.to_timedelta([1, 5_400_000], unit="s"))
    assert machine.padded(spans, "id").tolist() == ["0 days 00:00:01", "62 days 12:00:00"]


@pytest.mark.parametrize(("others", "fits"), [(25, True), (24, False)])
def test_texts_may_be_four_times_as_wide_as_they_are_long_however_little_memory_there_is(others, fits, monkeypatch):
    """A hundred as wide as the longest, of 100 letters, beside all letters together."""
    texts = np.array(["b" * 100, *["a" * others] * 99], object)
    assert (4 * sum(map(len, texts)) >= 100 * 100) == fits
    monkeypatch.setattr(machine, "memory", lambda: 0)
    if fits:
        assert machine.padded(texts, "id").tolist() == texts.tolist()
        return
    with pytest.raises(ValueError, match="id holds a text of 100 characters"):
        machine.padded(texts, "id")
