"""Single columns of new rows in other units: each way to give rows says which."""

import json
import shutil

import numpy as np
import pandas
import pytest
from test_cli_predict import SMALL, printed, tabled, things

from vade_tf.cli.main import main
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig

__all__ = ["tabled", "things"]  # fixtures

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")


def test_an_array_is_coded_by_its_own_numbers_as_the_table_is(tmp_path, capsys):
    """Times in milliseconds, and two levels that float32 does not have."""
    r = np.random.default_rng(0)
    group = np.arange(90) % 2
    table = pandas.DataFrame(
        {
            "time": 1_764_000_000_000 + 30_000.0 * group + r.uniform(0, 9000, 90).round(),
            "level": np.array([0.1, 0.2])[group],
            "size": r.normal(size=90),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    np.save(tmp_path / "t.npy", table.to_numpy())
    config = TrainConfig.create(data=str(tmp_path / "t.csv"), **{**SMALL, "clusters": 2, "init": "kmeans"})
    training.train(config, tmp_path / "run", export=False)
    columns = [printed(capsys, tmp_path / "run", "--data", tmp_path / f"t.{end}", notes=()) for end in ("csv", "npy")]
    names = ["cluster", "confidence"]
    pandas.testing.assert_frame_equal(columns[0][names], columns[1][names])


def test_what_an_array_holds_that_no_column_knows_is_told(tabled, tmp_path, capsys):
    """Its columns are those of the run: a size, a colour, a weight."""
    np.savez(tmp_path / "x.npz", x=np.ones((4, 3)))
    told = "4 cells of 'colour' hold a value that training did not see: '1': taken as missing"
    assert len(printed(capsys, tabled, "--data", tmp_path / "x.npz", notes=(told,))) == 4


@pytest.mark.parametrize(("study", "told"), [(True, "holds several runs; give one"), (False, "expected a run folder")])
def test_a_folder_that_lends_no_autoencoder_is_told_with_its_flag(study, told, tmp_path, capsys):
    rows, folder = tmp_path / "x.npy", tmp_path / "lent"
    np.save(rows, np.eye(9))
    folder.mkdir()
    if study:
        (folder / "seeds.json").touch()
    given = ["--data", str(rows), "--clusters", "2", "--pretrained", str(folder), "--out", str(tmp_path / "run")]
    assert main(["train", *given]) == 2
    assert capsys.readouterr().err.startswith(f"vade-tf train: --pretrained: {folder}: {told}")


def test_no_table_is_read_by_columns_that_the_model_does_not_have(things, tabled, tmp_path, capsys):
    """Its numbers would be taken for answers, and each row would get a cluster nevertheless."""
    run = shutil.copytree(tabled, tmp_path / "run")
    schema = json.loads((run / "schema.json").read_text())
    schema["columns"].sort(key=lambda column: column["kind"])
    (run / "schema.json").write_text(json.dumps(schema))
    for rows in (["--data", str(things / "new.csv")], ["--sample", "3"]):
        assert main(["predict", str(run), *rows]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert "schema.json: expected columns of the kinds that model.keras has, in its order, got others" in told.err
