"""A trained model from a run folder or a file, and whether it fits its folder.

Only Keras files are read, in Keras' safe mode; a SavedModel never.
"""

from pathlib import Path

import keras

from vade_tf.data.dataset import Coded
from vade_tf.errors import InputError, cited
from vade_tf.model import own_networks
from vade_tf.model.vade import VaDE
from vade_tf.runs.folder import COPY_AGAIN, Run, read_schema
from vade_tf.runs.location import check_single
from vade_tf.systems import registry  # noqa: F401  layers of systems that were added are known to Keras
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Clustering


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
    path = Path(path)
    check_single(path)
    file = path if path.name.endswith(".keras") else path / "model.keras"
    if not file.is_file():
        raise InputError(
            "path",
            "a finished run folder or a .keras file",
            f"{path}, which has no {file.name}",
            "vade_tf.Served loads an export",
        )
    try:
        model = own_networks.load(file)
    except Exception as error:  # whatever Keras, h5py and TensorFlow raise for what is damaged
        raise InputError(
            "path", "a model of this version", f"{file}, which is damaged or of another ({cited(error)})"
        ) from error
    if not isinstance(model, (VaDE, Clustering, GMVAE)):
        raise InputError("path", "a model of vade_tf", f"{file}, which holds {type(model).__name__}")
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
    folder = Path(path).parent if Path(path).name.endswith(".keras") else Path(path)
    if not (folder / "model.keras").is_file() and not Path(path).is_file():
        raise InputError("path", "a run folder", f"{path}, which has no model.keras")
    return read_schema(folder)


def load_run(path: str | Path) -> tuple[Run, keras.Model]:
    """A finished run and its model, which reads rows of the width and has the clusters that the run has.

    Raises:
        InputError: the run is not finished, or the files of the folder do not belong together.
    """
    check_single(path)
    run = Run.open(path)
    said = run.metrics["n_clusters"]
    model = load(path)
    mixture = model.prior if isinstance(model, VaDE) else getattr(model, "head", None)
    found = {
        "data.json": (run.data["features"], model.n_features),
        "schema.json": (model.n_features if run.schema is None else len(run.schema.features), model.n_features),
        "metrics.json": (said, model.n_clusters if mixture is None else mixture.n_components),
    }
    for name, (expected, got) in found.items():
        if expected != got:
            raise InputError(
                "run",
                f"a model.keras that fits {name} ({expected} features or clusters)",
                f"{path} ({got})",
                COPY_AGAIN,
            )
    return run, model
