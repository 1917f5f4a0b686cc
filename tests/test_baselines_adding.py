"""docs/adding-a-system.md: its example is added to a copy of the package as the page says, trained and compared."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "adding-a-system.md"

CHECK = """
import json
from pathlib import Path
import numpy as np
import vade_tf
from vade_tf.cli.main import main
from vade_tf.systems import registry

assert Path(vade_tf.__file__).is_relative_to(Path.cwd()), vade_tf.__file__
small = "--clusters 3 --pretrain-epochs 10 --batch-size 32 --latent-dim 2 --hidden 16,8 --precision float32 --seed 3"
assert main(["train", "--model", "ward", "--data", "rows.npz", *small.split(), "--quiet"]) == 0
result = json.loads(Path("runs/rows-ward/metrics.json").read_text())
assert (result["model"], result["acc"], result["epochs"]) == ("ward", 1.0, {"pretrain": 10, "fit": None}), result
x = np.load("rows.npz")["x"]
probabilities = vade_tf.load("runs/rows-ward").predict(x, verbose=0)
assert np.array_equal(np.sort(probabilities, axis=1), np.tile([0, 0, 1], (90, 1)))
assert main(["evaluate", "runs/rows-ward", "--no-figures"]) == 0
settings = vade_tf.Settings(
    clusters=3, pretrain_epochs=10, batch_size=32, latent_dim=2, hidden=(16, 8), precision="float32", seed=3
)
again = registry.fit("ward", x, settings).model
assert np.array_equal(again.predict(x, verbose=0), probabilities)
try:
    again.sample([0])
except vade_tf.InputError as error:
    assert str(error).startswith("ward has no generative model"), error
else:
    raise AssertionError("it has no generative model")
"""


@pytest.fixture
def copy(tmp_path):
    """A folder with the package, in which the example was added as the page has it."""
    shutil.copytree(ROOT / "vade_tf", tmp_path / "vade_tf", ignore=shutil.ignore_patterns("__pycache__"))
    shown = dict(re.findall(r'^```python title="([^"\n]*)"\n(.*?)^```$', PAGE.read_text(), re.S | re.M))
    places = {"vade_tf/systems/__init__.py": "SYSTEMS = {\n", "vade_tf/systems/registry.py": "FUNCTIONS: .* = {\n"}
    assert shown.keys() == {"vade_tf/systems/ward.py", *places}
    (tmp_path / "vade_tf/systems/ward.py").write_text(shown["vade_tf/systems/ward.py"])
    for name, beginning in places.items():
        file = tmp_path / name
        text, found = re.subn(
            rf"^({beginning})", lambda match, name=name: match[1] + shown[name], file.read_text(), flags=re.M
        )
        assert found == 1, f"{name}: no dict to put the line into"
        file.write_text(text.replace("import SYSTEMS, ", "import SYSTEMS, ward, "))
    return tmp_path


@pytest.mark.long
def test_the_example_of_the_page_trains_loads_and_is_evaluated(copy):
    r = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = np.repeat(np.eye(3), 4, axis=1)[y] * 12 + r.normal(size=(90, 12))
    np.savez(copy / "rows.npz", x=x.astype("f4"), y=y)
    done = subprocess.run([sys.executable, "-c", CHECK], cwd=copy, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"ACC +1\.0", done.stdout), done.stdout


def test_without_its_line_the_name_is_not_known():
    with pytest.raises(InputError, match="^model: expected one of vade, kmeans"):
        TrainConfig.create(data="x.npy", model="ward")
