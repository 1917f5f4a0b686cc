"""How numbers are written in one column of a text file says how they are in the others, whatever the table is for."""

import csv
import io

import numpy as np
import pytest
from small_tables import written

from vade_tf import load_schema
from vade_tf.cli.main import main
from vade_tf.data.files import load_file
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig

GERMAN = "a;b;c\n5,063;4,1;2.683\n4,934;2,7;4\n5,100;2,0;1.200\n"
ROWS = [[5.063, 4.1, 2683], [4.934, 2.7, 4], [5.1, 2, 1200]]


@pytest.mark.parametrize("how", [{"plain": True}, {"declared": (1, 3)}, {}])
def test_decimal_commas_of_one_column_are_those_of_all(tmp_path, how):
    np.testing.assert_allclose(load_file(written(tmp_path, GERMAN), **how).x, ROWS, rtol=1e-6)


def test_counts_have_the_commas_of_the_table(tmp_path):
    """Of rates such as 1,500 beside 0,5 that are said to be counts."""
    text = "a;b;n\n" + "".join(f"{3 * i % 7 + 1},000;{i % 7},0;{i % 5}\n" for i in range(60))
    x = load_file(written(tmp_path, text), likelihood="counts").x
    np.testing.assert_array_equal(x[:3], [[1, 0, 0], [4, 1, 1], [7, 2, 2]])


def test_new_rows_of_a_run_on_an_array_are_read_together(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", np.where(np.arange(60)[:, None] % 2, 5.0, [1.0, 9.0, 2000.0]) + rng.random((60, 3)))
    config = TrainConfig.create(data=str(tmp_path / "rows.npy"), model="kmeans", clusters=2)
    training.train(config, tmp_path / "run", export=False)
    capsys.readouterr()
    numbers = "5.063,4.1,5.2\n1.234,9.5,2000.3\n5.100,5.9,5\n"
    found = []
    for text in ("a,b,c\n" + numbers, "a;b;c\n" + numbers.replace(",", ";").replace(".", ",")):
        assert main(["predict", str(tmp_path / "run"), "--data", written(tmp_path, text)]) == 0
        found.append(list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:])
    assert found[0] == found[1]
    assert found[0][0][1] == found[0][2][1] != found[0][1][1]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["4.854", "987", "12.000"], [4854, 987, 12000]),
        (["4.854 €", "987 €", "12.000 €"], [4854, 987, 12000]),
        (["4.854", "9.871", "1.200"], [4.854, 9.871, 1.2]),  # nothing says that these are thousands
        (["4.854", "98.7", "1.200"], [4.854, 98.7, 1.2]),
        (["4.854", "1987", "1.200"], [4.854, 1987, 1.2]),
        (["0.854", "987", "1.200"], [0.854, 987, 1.2]),
    ],
)
def test_whole_numbers_may_have_dots_between_thousands(tmp_path, cells, numbers):
    text = "town;inhabitants\n" + "".join(f"t{i};{cells[i % 3]}\n" for i in range(30))
    file = written(tmp_path, text)
    data = load_file(file, id="town")
    np.testing.assert_allclose(data.x[:3, 0], numbers, rtol=1e-6)
    said = "numbers are written with a decimal comma, as 1.000,5: 'inhabitants'" in data.notice
    assert said == (numbers[0] == 4854)
    np.testing.assert_array_equal(load_file(file, schema=data.schema).x, data.x)
    if "€" not in text:
        np.testing.assert_allclose(load_file(written(tmp_path, text, "n.csv"), drop="town", plain=True).x, data.x)


def test_beside_decimal_commas_in_a_file_with_semicolons_three_digits_are_behind_a_comma(tmp_path):
    cells, halves = ["1,250", "12,500", "100", "2,375"], ["3,5", "2,1", "4"]
    text = "w;h\n" + "".join(f"{cells[i % 4]};{halves[i % 3]}\n" for i in range(24))
    assert load_file(written(tmp_path, text)).x[:4, 0].tolist() == [1.25, 12.5, 100, 2.375]
    alone = "w;h\n" + "".join(f"{cells[i % 4]};{i % 3}\n" for i in range(24))  # where the column itself says it
    assert load_file(written(tmp_path, alone)).x[:4, 0].tolist() == [1250, 12500, 100, 2375]


def test_what_is_sampled_is_read_as_it_was_meant(tmp_path, eager):
    """By a run on decimal commas, to which 2.683 is 2683: as texts like the numbers of a .parquet, of the same seed."""
    text = "a;b;c\n" + "".join(f"{i % 9},{i % 7}5;{i % 5},{i % 3}1 %;{i % 4}\n" for i in range(64))
    small = {"clusters": 2, "pretrain_epochs": 1, "epochs": 1, "hidden": (8,), "latent_dim": 2, "init": "kmeans"}
    training.train(TrainConfig.create(data=written(tmp_path, text), **small), tmp_path / "run", export=False)
    schema, found = load_schema(str(tmp_path / "run")), []
    for name in ("s.csv", "s.parquet"):
        out = str(tmp_path / name)
        assert main(["predict", str(tmp_path / "run"), "--sample", "40", "--out", out, "--quiet"]) == 0
        found.append(load_file(out, schema=schema).x)
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_dots_are_decimal_where_another_column_has_decimal_points(tmp_path):
    text = "a;b\n" + "".join(f"{('4.854', '987', '12.000')[i % 3]};{i}.5\n" for i in range(30))
    np.testing.assert_allclose(load_file(written(tmp_path, text)).x[:3, 0], [4.854, 987, 12])
