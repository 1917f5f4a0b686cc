"""A trained model from a run folder or a file, and whether it fits its folder.

Only Keras files are read, in Keras' safe mode; a SavedModel never.
"""

from pathlib import Path

import keras

from vade_tf.data.checks import checked_shape
from vade_tf.data.dataset import Coded
from vade_tf.errors import InputError, cited
from vade_tf.model import saving
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE
from vade_tf.paths import usable
from vade_tf.reading import COPY_AGAIN
from vade_tf.runs.folder import Run, schema_of
from vade_tf.systems import registry  # noqa: F401  layers of systems that were added are known to Keras
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Clustering
from vade_tf.training.settings import AUTO

SYSTEMS = (VaDE, Clustering, GMVAE)


def load(path: str | Path) -> keras.Model:
    """The trained model of a finished run folder, or of a .keras file.

    Args:
        path: a run folder or a .keras file. What `export` wrote is loaded by `vade_tf.Served` instead: a SavedModel
            holds a program, so it should be one that you trust.

    Returns:
        A `VaDE`, or what another system fitted (`systems`).

    Raises:
        InputError: there is none, or it cannot be read, or it is no model of this package.
    """
    path = usable(path, "path")
    file = path if path.name.endswith(".keras") else path / "model.keras"
    if not file.is_file():
        served = "; an exported version is loaded by vade_tf.Served" if (path / "saved_model.pb").exists() else ""
        raise InputError(f"{path}: expected a finished run folder or a .keras file, found no {file.name} there{served}")
    try:
        model = saving.load(file)
    except Exception as error:  # whatever Keras, h5py and TensorFlow raise for what is damaged
        raise InputError(f"{file} is damaged or of another version ({cited(error)})") from error
    if not isinstance(model, SYSTEMS):
        raise InputError(f"{file}: expected a model of vade_tf, got {type(model).__name__}")
    return model


def load_schema(path: str | Path) -> Coded | None:
    """How the rows of a run were coded, which its model is given.

    Args:
        path: a run folder, or the model.keras in one.

    Returns:
        The schema of a table, whose `encode(table)[0]` are features, float32 [n, D]; of texts or genes, whose `encode`
        gives the features; of a folder of images; None where rows were numbers.

    Raises:
        InputError: schema.json is damaged, or there is no run.
    """
    path = usable(path, "path")
    folder = path.parent if path.name.endswith(".keras") else path
    if folder == path and not any((folder / name).is_file() for name in ("config.json", "model.keras")):
        raise InputError(f"{path}: expected a run folder, found no model.keras there")
    return schema_of(folder)


def check_model(run: Run, model: keras.Model) -> None:
    """Raises InputError unless the model in a run folder reads rows as the run has them: their width and kinds."""
    width, schema = run.data["features"], run.schema
    if model.n_features != width:
        raise InputError(
            f"{run.path / 'model.keras'}: expected a model of {width} features, as data.json has, got one of "
            f"{model.n_features}; copy the run folder again"
        )
    if (shape := run.data.get("image_shape")) is not None:
        try:
            checked_shape(shape, (0, width))
        except InputError as error:
            raise InputError(f"{run.path / 'data.json'}: {error}; {COPY_AGAIN}") from error
    if schema is None:
        return
    blocks = schema.blocks or (("gaussian", len(schema.features)),)
    if (found := sum(size for _, size in blocks)) != width:
        raise InputError(
            f"{run.path / 'schema.json'}: expected {width} features, as data.json has, got {found:,}; {COPY_AGAIN}"
        )
    mixed = isinstance(model.likelihood, Mixed) and run.config.likelihood == AUTO
    if mixed and model.likelihood.blocks != blocks:
        raise InputError(
            f"{run.path / 'schema.json'}: expected columns of the kinds that model.keras has, in its order, got "
            f"others; {COPY_AGAIN}"
        )


def check_clusters(run: Run, model: keras.Model) -> None:
    """Raises InputError unless the model in a run folder has as many clusters as the run says."""
    mixture = model.prior if isinstance(model, VaDE) else getattr(model, "head", None)
    said, found = run.metrics["n_clusters"], model.n_clusters if mixture is None else mixture.n_components
    if said != found:
        raise InputError(
            f"{run.path / 'metrics.json'}: expected n_clusters of {found}, as model.keras has, got {said}; {COPY_AGAIN}"
        )
