"""Tables of other programs: their marks of missing cells, words among numbers, and a column in other units."""

import warnings

import numpy as np
import pandas
import pytest

from vade_tf import VaDEClusterer
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.training import arguments

SHORT = {"pretrain_epochs": 1, "epochs": 1, "hidden": (8,), "latent_dim": 2, "init": "kmeans"}


@pytest.mark.parametrize("mark", ["na", ".", "n.a.", "NaT", "\\N", "#DIV/0!"])
def test_marks_of_other_programs_are_missing_cells(mark):
    cells = [str(i % 40) if i % 3 else mark for i in range(120)]
    schema = Schema.infer(pandas.DataFrame({"age": cells, "w": np.arange(120) % 7}))
    assert (schema.columns[0].kind, schema.columns[0].missing) == ("number", 40)


@pytest.mark.parametrize("share", [3, 5, 20])
def test_a_word_among_many_numbers_is_told_however_often_it_comes(share):
    """A category of every age there is would be made of them."""
    cells = ["unknown" if i % share == 0 else str(i % 97) for i in range(300)]
    with pytest.raises(InputError, match=r"expected a number in every row of column 'age', .* got 'unknown' at row 0"):
        Schema.infer(pandas.DataFrame({"age": cells, "w": np.arange(300) % 7}))
    for words, most in ((("G", "M"), 31), (("N1", "N2"), 97), (("none",), 17)):  # floors, lines of a bus, marks
        cells = [words[i % len(words)] if i % share == 0 else str(i % most) for i in range(300)]
        if share < 20:  # a few of them are slips
            assert Schema.infer(pandas.DataFrame({"v": cells, "w": np.arange(300) % 7})).columns[0].kind == "category"


@pytest.mark.parametrize("form", ["{} 1{:02}", "CHF {}.20", "{}f3{}ab"])
def test_a_column_that_looks_like_numbers_is_left_out_with_a_hint(form):
    cells = [form.format(i + 10, i) for i in range(90)]
    left = Schema.infer(pandas.DataFrame({"v": cells, "w": np.arange(90) % 7})).dropped["v"]
    assert left.startswith("90 different texts in 90 rows")
    assert ("(numbers or dates? write '10 100' as 1234.5 or 2020-12-31)" in left) == (cells[0] == "10 100")


def test_python_warns_of_columns_left_out_that_seem_to_hold_numbers(rng, eager):
    """Not of those that say which row it is, or are always the same."""
    frame = pandas.DataFrame({"w": rng.normal(size=120), "id": [f"C{i}" for i in range(120)], "land": "CH"})
    frame["name"] = [f"{'abcdefghijkl'[i // 10]}{'abcdefghij'[i % 10]} Muster" for i in range(120)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observe(frame)
    price = pandas.DataFrame({f"price {i}": [f"{j}.5{i} EUR" for j in range(120)] for i in range(5)})
    left = r"120 different texts in 120 rows \(numbers or dates\? write '0.50 EUR' as 1234.5 or 2020-12-31\): 'price 0'"
    with pytest.warns(UserWarning, match=f"^X: left out, {left}$") as told:
        VaDEClusterer(2, **SHORT).fit(frame.join(price[["price 0"]]))
    assert len([each for each in told if "left out" in str(each.message)]) == 1
    with pytest.warns(UserWarning, match=rf"^x: left out, {left}; .*'price 2'; and 2 more such columns$") as told:
        arguments.as_observations(frame.join(price), "auto")
    assert len(told) == 1
