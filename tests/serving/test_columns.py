"""The columns of a table by their names: a graph codes them as the schema does."""

import numpy as np
import pandas
import pytest
import tensorflow as tf

from vade_tf import VaDE, build_decoder, build_encoder, export
from vade_tf.data.columns import Column
from vade_tf.data.schema import Schema
from vade_tf.model.mixed import Mixed
from vade_tf.model.networks import Filled
from vade_tf.serving import columns

TABLE = pandas.DataFrame(
    {
        "age": [30.5, np.nan, -2.0, 1e6] * 15,
        "my height": np.exp(np.linspace(0, 5, 60)),
        "colour": ["red", "blue ", "green", None] * 15,
        "grade": [1, 2, 5, 9] * 15,
        "ill": [True, False, False, True] * 15,
        "answer": ["yes", "no", "no", "yes"] * 15,
        "day": ["1999-12-31", "2024-02-29", "1970-01-01", "2030-07-04 12:30"] * 15,
        "german": ["31.12.1999", "29.2.2024", "1.1.1970", ""] * 15,
        "size": pandas.Categorical(["S", "M", "L", "M"] * 15, ["S", "M", "L"], ordered=True),
        "grade level": pandas.Categorical([1, 2, 5, 9] * 15),
    }
)


@pytest.fixture(scope="module")
def schema():
    return Schema.infer(TABLE, transform="power")


def sent(schema: Schema, specs: dict) -> dict:
    """The cells of the table as a program sends them."""
    cells = {}
    for column, (name, spec) in zip(schema.columns, specs.items(), strict=True):
        dtype, values = spec.dtype, TABLE[column.name]
        if dtype == tf.string:
            cells[name] = tf.constant(values.astype(object).where(values.notna(), "").tolist())
        else:
            cells[name] = tf.constant(values.to_numpy(dtype.as_numpy_dtype))
    return cells


def test_a_graph_codes_columns_as_their_schema_does(schema):
    specs, code = columns.coder(schema)
    assert len(specs) == len(TABLE.columns)
    found = code(sent(schema, specs)).numpy()
    np.testing.assert_allclose(found, schema.encode(TABLE)[0], rtol=1e-5, atol=1e-5)


def test_rarer_levels_are_the_rest_and_an_empty_cell_is_none():
    one = Schema((Column("c", "category", ("a", "b", "other"), rest=True),), {})
    _, code = columns.coder(one)
    found = code({"c": tf.constant(["b", "z", ""])}).numpy()
    np.testing.assert_array_equal(found, [[0, 1, 0], [0, 0, 1], [np.nan] * 3])


def test_a_row_is_answered_as_the_model_does(schema, tmp_path):
    """As a server answers {"signature_name": "columns", "instances": [row]}."""
    width = len(schema.features)
    first, shape = Filled([0.0] * width, range(width)), {"n_features": width, "latent_dim": 2, "hidden": (8,)}
    model = VaDE(build_encoder(**shape, first=first), build_decoder(**shape), 3, Mixed(schema.blocks))
    folder = export(model, tmp_path, schema=schema)
    served = tf.saved_model.load(folder).signatures["columns"]
    cells = sent(schema, columns.coder(schema)[0])
    found = served(**{name: each[1:2] for name, each in cells.items()})["probabilities"]
    expected = model.predict(schema.encode(TABLE)[0][1:2], verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
