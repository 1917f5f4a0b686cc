"""Columns of new rows that are no features: what is said of them, and of the cells that `impute` leaves empty there."""

import pandas
import pytest
from test_cli_predict import data, printed, tabled, things, trained
from test_estimator_rows import clusterer, x

from vade_tf.cli.main import main
from vade_tf.errors import UnitsWarning

__all__ = ["data", "tabled", "things", "trained", "x"]  # fixtures

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_holes_of_a_column_that_training_left_out_stay_and_are_told(things, tabled, tmp_path, capsys, kind):
    table = pandas.read_csv(things / "new.csv").drop(columns="more")
    table.loc[[3, 4], "name"] = table.loc[[4, 5], "size"] = None
    file = tmp_path / f"holes.{kind}"
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    told = "missing cells stay in columns that training left out: 'name' (2)"
    found = printed(capsys, tabled, "--data", file, "--impute", notes=(told,))
    assert found["name"].isna().sum() == 2
    assert found["size"].notna().all()
    table["name"] = "thing"
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    printed(capsys, tabled, "--data", file, "--impute", notes=())


def test_holes_of_a_column_that_a_fit_left_out_stay_and_are_told(x):
    frame = pandas.DataFrame(x, columns=list("abc")).assign(id=[f"row {i}" for i in range(40)])
    model = clusterer().fit(frame)
    frame.loc[7, ["a", "id"]] = None
    with pytest.warns(UnitsWarning, match=r"^missing cells stay in columns that training left out: 'id' \(1\)$"):
        found = model.impute(frame)
    assert found.isna().sum().to_dict() == {"a": 0, "b": 0, "c": 0, "id": 1}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_names_of_the_rows_are_not_told_to_be_ignored(things, tabled, capsys, kind):
    found = printed(capsys, tabled, "--data", things / f"new.{kind}", "--id", "more", notes=())
    assert found["more"].tolist() == [1] * 50


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_of_texts_beside_those_of_an_array_is_told_what_it_may_be(data, trained, tmp_path, capsys, kind):
    table = pandas.read_csv(data / "new.csv")
    file = tmp_path / f"new.{kind}"
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    assert main(["predict", str(trained), "--data", str(file)]) == 2
    said = capsys.readouterr().err
    assert "in every row of column 'kind', got 'a' at row 0" in said
    assert said.endswith("; if the column names the rows or holds labels, say --id COLUMN or --labels COLUMN\n")
    for flag in ("--id", "--labels"):
        assert len(printed(capsys, trained, "--data", file, flag, "kind", notes=())) == len(table)
    table.drop(columns="kind").assign(a=1e31).to_csv(tmp_path / "far.csv", index=False)
    assert main(["predict", str(trained), "--data", str(tmp_path / "far.csv")]) == 2
    assert "--id" not in capsys.readouterr().err
