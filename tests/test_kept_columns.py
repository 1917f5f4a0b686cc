"""Columns of new rows that are no features: what is said of them, and of the cells that `impute` leaves empty there."""

import pandas
import pytest
from test_cli_predict import printed, tabled, things
from test_estimator_rows import clusterer, x

from vade_tf.errors import UnitsWarning

__all__ = ["tabled", "things", "x"]  # fixtures

pytestmark = pytest.mark.usefixtures("eager_file")


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
