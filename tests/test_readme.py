"""README's Python: its five lines find the digits, whatever the seed, in a minute on two cores; the rest runs."""

import re
import time
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from vade_tf.metrics import accuracy

README = Path(__file__).resolve().parent.parent / "README.md"
FIRST, *OTHERS = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


@pytest.mark.long
def test_the_five_lines_find_the_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len([line for line in FIRST.splitlines() if line]) <= 5
    names: dict = {}
    begun = time.process_time()
    exec(FIRST, names)  # one seed; benchmarks/seeds.py runs several
    seconds = time.process_time() - begun  # of both cores: what else the machine does counts for nothing
    assert accuracy(load_digits().target, names["groups"]) >= 0.90
    assert seconds < 2 * 60


@pytest.mark.long
def test_the_other_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec("\n".join(line for line in FIRST.splitlines() if "fit" not in line), names)
    assert len(OTHERS) >= 3
    for block in OTHERS:
        exec(block, names)
