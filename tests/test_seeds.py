"""Several seeds: which numbers they may have, and which folders are theirs."""

import json

import pytest

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.seeds import run_folders, spread, train_seeds


def test_the_last_seed_is_one_that_a_run_may_have(tmp_path):
    """Else all but the last would be trained before it is said."""
    config = TrainConfig(data=str(tmp_path / "x.npy"), clusters=2, seed=2**31 - 2)
    with pytest.raises(InputError, match=r"^seeds: expected the last of them below 2\^31, got 3 from 2147483646 up"):
        train_seeds(config, tmp_path / "out", 3)
    with pytest.raises(InputError, match="^data: expected an existing file"):  # two are as many as there are
        train_seeds(config, tmp_path / "out", 2)


@pytest.mark.parametrize("name", ["seed-1 (copy)", "seed-best", "seed-"])
def test_a_folder_that_is_no_seed_is_named(name, tmp_path):
    config = json.loads(TrainConfig(data="x.npy", clusters=2).to_json())
    (tmp_path / "seeds.json").write_text(json.dumps({"values": [1], "config": config}))
    for run in (tmp_path / "seed-1", tmp_path / name):
        run.mkdir()
        (run / "metrics.json").touch()
    with pytest.raises(InputError, match="expected a name such as seed-3; name it so, or put it elsewhere") as said:
        run_folders(tmp_path)
    assert str(said.value).startswith(f"{tmp_path / name}: ")


def test_the_spread_of_a_single_seed_is_none():
    """What NumPy says of one number, NaN, is nothing that JSON has."""
    names = ("acc", "nmi", "ari", "elbo")
    found = spread([dict.fromkeys(names, 0.5)])
    assert found == {name: {"mean": 0.5, "std": 0.0, "min": 0.5, "max": 0.5} for name in names}
    two = spread([dict.fromkeys(names, 1.0), {**dict.fromkeys(names, 3.0), "nmi": None}])
    assert set(two) == {"acc", "ari", "elbo"}
    assert two["acc"]["std"] == pytest.approx(2**0.5)  # of a sample of two
