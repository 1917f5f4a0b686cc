"""docs/architecture.md: its reader and its system are added to a copy of the package as the page says, and used.

tests/test_docs.py runs the block of the page that shows no file: gamma.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
DICTS = {  # of a file that gets one line more: the line that begins its dict, and what is imported for it
    "vade_tf/data/files.py": (r"ARRAYS\b.* = \{\n", "from vade_tf.data import matlab\n"),
    "vade_tf/systems/__init__.py": (r"SYSTEMS\b.* = \{\n", ""),
    "vade_tf/systems/registry.py": (r"FUNCTIONS\b.* = \{\n", "from vade_tf.systems import ward\n"),
}
CHECK = """
import json
from pathlib import Path
import numpy as np
import vade_tf
from vade_tf.cli.main import main

assert Path(vade_tf.__file__).is_relative_to(Path.cwd()), vade_tf.__file__
small = "--clusters 3 --pretrain-epochs 10 --batch-size 32 --latent-dim 2 --hidden 16,8 --precision float32 --seed 3"
assert main(["train", "--model", "ward", "--data", "rows.mat", *small.split(), "--quiet"]) == 0
result = json.loads(Path("runs/rows-ward/metrics.json").read_text())
assert (result["model"], result["acc"], result["epochs"]) == ("ward", 1.0, {"pretrain": 10, "fit": None}), result
assert main(["evaluate", "runs/rows-ward", "--no-figures"]) == 0
model = vade_tf.load("runs/rows-ward")
try:
    model.sample([0])
except vade_tf.InputError:
    pass
else:
    raise AssertionError("it has no generative model")
"""


@pytest.fixture
def copy(tmp_path):
    """A folder with the package, in which the files of the page were added."""
    shutil.copytree(ROOT / "vade_tf", tmp_path / "vade_tf", ignore=shutil.ignore_patterns("__pycache__"))
    for name, code in re.findall(r'^```python title="([^"\n]*)"\n(.*?)^```$', PAGE, re.S | re.M):
        file = tmp_path / name
        if name not in DICTS:
            file.write_text(code)
            continue
        beginning, imported = DICTS[name]
        text, found = re.subn(f"^({beginning})", lambda match, code=code: match[1] + code, file.read_text(), flags=re.M)
        assert found == 1, f"{name}: no dict to put the line into"
        file.write_text(re.sub(r"^(?=import |from )", imported, text, count=1, flags=re.M))
    return tmp_path


@pytest.mark.long
def test_the_reader_and_the_system_of_the_page_train_load_and_are_evaluated(copy):
    y = np.arange(90) % 3
    x = np.repeat(np.eye(3), 4, axis=1)[y] * 12 + np.random.default_rng(0).normal(size=(90, 12))
    savemat(copy / "rows.mat", {"x": x, "y": y})
    done = subprocess.run([sys.executable, "-c", CHECK], cwd=copy, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"ACC +1\.0", done.stdout), done.stdout


def test_the_page_names_rooms_that_are_there():
    rooms = re.findall(r"^\| `(\w+)` \|", PAGE, re.M)
    assert len(rooms) >= 8
    for room in rooms:
        assert (ROOT / "vade_tf" / room).is_dir() or (ROOT / "vade_tf" / f"{room}.py").exists(), room
