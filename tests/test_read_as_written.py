"""Cells of a text file that are taken as they are written, and cells that pandas lends to be read alone."""

import warnings

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many, written

from vade_tf.data.files import load_file
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError


@pytest.mark.parametrize(("cells", "read"), [(["15", "20,5"], [15, 20.5]), (["1.5", "x"], None)])
def test_columns_that_are_lent_to_be_read_alone_are_not_written_to(cells, read):
    """As pandas 3 always lends them."""
    frame = pandas.DataFrame({"a": NUMBERS, "b": NUMBERS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in pandas 3 this is no choice
        with pandas.option_context("mode.copy_on_write", True):
            schema = Schema.infer(frame)
            new = pandas.DataFrame({"a": [1.0, 2.0], "b": cells})
            if read is None:
                with pytest.raises(InputError, match="expected a number or an empty cell .* got 'x' at row 1"):
                    schema.encode(new)
            else:
                np.testing.assert_allclose(schema.encode(new)[0][:, 1], read)


def test_levels_that_say_that_there_is_none_are_levels_in_a_text_file_too(tmp_path):
    levels = ["None", "NA", "null", "paved", None]
    frame = pandas.DataFrame({"a": NUMBERS, "alley": pandas.Categorical(many(levels), levels[:4])})
    schema = Schema.infer(frame)
    x, _ = schema.encode(frame)
    file = tmp_path / "t.csv"
    frame.to_csv(file, index=False)
    data = load_file(str(file), schema=schema)
    np.testing.assert_array_equal(data.x, x)
    assert np.isnan(data.x[:, 1]).sum() == 12
    assert data.notice == ""


def test_two_columns_of_a_name_may_stand_beside_one_whose_cells_stay(tmp_path):
    cells = "".join(f"{i},{9 - i % 7},{('NA', 'None', 'x')[i % 3]}\n" for i in range(60))
    data = load_file(written(tmp_path, f"self,self,kind\n{cells}"), id="kind")
    assert data.ids.tolist() == many(["NA", "None", "x"])
    assert data.schema.features == ["self.1"]


def test_a_name_twice_beside_names_of_rows_is_named(tmp_path):
    """As R writes them."""
    text = '"a" "a" "g"\n' + "".join(f'"{i + 1}" {i} {i % 7} "{"xyz"[i % 3]}"\n' for i in range(60))
    with pytest.raises(InputError, match=r"^data: expected one column 'a' in .*t.csv, got several; rename them$"):
        load_file(written(tmp_path, text))
