"""`Served` asks an exported VaDE from Python. It codes rows, and checks what the graph does not."""

from pathlib import Path

import numpy as np
import pandas
import scipy.sparse
import tensorflow as tf

from vade_tf.data.cells import Genes, is_annotated
from vade_tf.data.dataset import Coded
from vade_tf.data.files import schema_in
from vade_tf.data.rows import SparseRows
from vade_tf.data.schema import Schema, as_frame
from vade_tf.data.texts import Texts, texts_of
from vade_tf.errors import InputError, warn_units
from vade_tf.finite import finite_range
from vade_tf.model.prior import check_clusters
from vade_tf.serving.export import SCHEMA

ROWS_A_CALL = 1024  # the widest layer of the paper's network then holds 8 MB


class Served:
    """An exported VaDE in Python: `VaDE`'s verbs over the served functions, NumPy in and out.

    Args:
        path: folder of one version, e.g. runs/mnist/export/1. A SavedModel holds a program: give one that you trust.

    Attributes:
        signatures: the served functions themselves, by name: TensorFlow tensors in and out.
        schema: of a table that was trained on, or how else its rows were coded; None where they were numbers. By it a
            DataFrame, an AnnData or texts are coded, which are refused without one.

    Raises:
        InputError: the folder holds no SavedModel of a VaDE.
        OSError: there is no readable SavedModel.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        if not (path / "saved_model.pb").is_file():
            expected = "the folder of an exported version, such as runs/mnist/export/1"
            raise InputError("path", expected, f"{path}, which has no saved_model.pb")
        self._module = tf.saved_model.load(str(path))  # owns the weights
        self.signatures = self._module.signatures
        self.schema = schema_in(path / SCHEMA) if (path / SCHEMA).exists() else None
        if not {"serving_default", "encode", "reconstruct", "score", "generate"} <= set(self.signatures):
            raise InputError("path", "an export of a VaDE", f"{path} with the signatures {sorted(self.signatures)}")
        of_holes = np.full((1, self._width("serving_default")), np.nan)
        self._takes_missing = self._block("serving_default", of_holes)["cluster"][0] >= 0

    def classify(self, x) -> dict[str, np.ndarray]:
        """x [n, D] -> cluster [n], probabilities [n, K], confidence (the highest of them) [n], density log p(z) [n]."""
        return self._rows("serving_default", x)

    def predict(self, x) -> np.ndarray:
        """p(c|x), as `VaDE.predict`: x [n, D] -> [n, K]."""
        return self.classify(x)["probabilities"]

    def encode(self, x) -> tuple[np.ndarray, np.ndarray]:
        """(m, log s2) of q(z|x): x [n, D] -> two arrays [n, latent]."""
        answer = self._rows("encode", x)
        return answer["mean"], answer["log_variance"]

    def reconstruct(self, x) -> np.ndarray:
        """Mean of p(x|z = m): x [n, D] -> [n, D], on the scale of the likelihood."""
        return self._rows("reconstruct", x)["x"]

    def score(self, x) -> np.ndarray:
        """Evidence lower bound in nats, the same at every call: x [n, D] -> [n]."""
        return self._rows("score", x)["elbo"]

    def sample(self, clusters, seed=0) -> np.ndarray:
        """New observations of chosen clusters.

        Args:
            clusters: component of each, int [n].
            seed: one number for the call, or one for each row, int [n].

        Returns:
            Means of p(x|z), [n, D]. Other draws than `VaDE.sample` makes from the same seed.
        """
        k = self.signatures["serving_default"].structured_outputs["probabilities"].shape[1]
        cluster = check_clusters(clusters, k).astype(np.int64)
        answer = self.signatures["generate"](cluster=tf.constant(cluster), seed=tf.constant(seed, tf.int64))
        return answer["x"].numpy()

    def _rows(self, name: str, x) -> dict[str, np.ndarray]:
        """What a signature answers to an array, also of images, a sparse matrix, or what `schema` codes, [n, D]."""
        x, width = _encoded(as_frame(x), self.schema), self._width(name)
        x = SparseRows(x) if scipy.sparse.issparse(x) else np.asarray(x)
        x = x.reshape(len(x), -1) if len(x.shape) > 2 and x.size else x  # images, as `VaDE.predict` takes them
        if x.dtype.kind not in "biuf" or x.shape[1:] != (width,):
            raise InputError("x", f"numbers of shape (n, {width})", f"{x.dtype} of shape {x.shape}")
        finite_range(x, "x", self._takes_missing)
        parts = [self._block(name, x[i : i + ROWS_A_CALL]) for i in range(0, max(len(x), 1), ROWS_A_CALL)]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _width(self, name: str) -> int:
        return self.signatures[name].structured_input_signature[1]["x"].shape[1]

    def _block(self, name: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {key: value.numpy() for key, value in self.signatures[name](x=tf.constant(rows, tf.float32)).items()}


def _encoded(x, schema: Coded | None):
    """A table, an AnnData or texts as features; an array of numbers as it is."""
    table = isinstance(x, pandas.DataFrame)
    if isinstance(schema, Texts) and not scipy.sparse.issparse(x) and np.asarray(x).dtype.kind not in "biuf":
        encoded = schema.encode(texts_of(x[schema.column] if table else pandas.Series(x, dtype=object)))
        warn_units(schema.unknown(encoded), 4)
        return encoded
    if isinstance(schema, Schema) and table:
        encoded, notes = schema.encode(x)
        warn_units(notes, 4)
        return encoded
    if isinstance(schema, Genes) and (table or is_annotated(x)):
        return schema.of_table(x, "x") if table else schema.encode(x, "x")
    if table or is_annotated(x):
        hint = "export with schema=load_schema(run), or give x.to_numpy() where an array was trained on"
        raise InputError("x", "an array, as the export has no schema of such rows", f"a {type(x).__name__}", hint)
    return x
