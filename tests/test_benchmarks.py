"""Commands of benchmarks/ that have no file of tests of their own: what they take, keep apart, refuse and print."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))  # where the commands have their modules

import csv_rows


def test_the_table_of_mutants_counts_those_of_the_present_code(tmp_path, monkeypatch):
    import mutants

    module = "vade_tf/seeding.py"
    monkeypatch.setattr(mutants, "MODULES", [module])
    for name in ("RESULTS", "EQUIVALENT", "SURVIVORS"):
        monkeypatch.setattr(mutants, name, tmp_path / f"{name}.csv")
    drawn = mutants.drawn(module, 4, 0)
    rows = {
        one.identity: dict.fromkeys(mutants.COLUMNS, "1")
        | dict(zip(mutants.IDENTITY, one.identity, strict=True))
        | {"outcome": outcome}
        for one, outcome in zip(drawn, ("killed", "timeout", "survived", "survived"), strict=True)
    }
    older = {**rows[drawn[2].identity], "original": "of older code"}
    mutants.write({**rows, ("older",): older}, "a command")
    csv_rows.write([rows[drawn[3].identity]], mutants.EQUIVALENT, mutants.COLUMNS)
    printed = mutants.table()
    every = len(mutants.mutants(module))
    assert f"| {module} | {every} | 4 | 1 | 2 | 1 | 66.7% |\n| all | {every} | 4 | 1 | 2 | 1 | 66.7% |" in printed
    assert printed.count("not yet explained") == 1
    assert f"- {drawn[2].original}\n+ {drawn[2].mutated}\nnot yet explained" in printed


def test_results_that_cannot_be_written_leave_the_older_ones(tmp_path):
    file = tmp_path / "a.csv"
    csv_rows.write([{"a": 1}], file, ("a", "b"), "a command", "a remark")
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        csv_rows.write([{"a": 2}, {"c": 3}], file, ("a", "b"))
    assert file.read_text() == "# a command\n# a remark\na,b\n1,\n"
    assert csv_rows.read(file) == [{"a": "1", "b": ""}]
