"""Single columns of new rows in other units: each way to give rows says which."""

import pandas
import pytest
from test_cli_predict import tabled, things

from vade_tf.cli.main import main
from vade_tf.report import evaluation

__all__ = ["tabled", "things"]  # fixtures

pytestmark = pytest.mark.usefixtures("eager_file")


@pytest.mark.parametrize("command", [["predict"], ["evaluate", "--no-figures"]])
def test_a_column_in_other_units_is_said(things, tabled, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)
    table = pandas.read_csv(things / "new.csv").drop(columns="more")
    table.assign(weight=table["weight"] + 1000).to_csv(tmp_path / "far.csv", index=False)
    assert main([command[0], str(tabled), "--data", str(tmp_path / "far.csv"), *command[1:]]) == 0
    assert "nearly all numbers of column 'weight' lie more than" in capsys.readouterr().err
