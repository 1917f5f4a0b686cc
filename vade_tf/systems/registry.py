"""Every system by name: its function from a fit under way to the fitted model, and `fit`, which all of them share."""

from collections.abc import Callable, Sequence

import keras

from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError
from vade_tf.systems import SYSTEMS, dec, gmvae, models
from vade_tf.training.fitting import Fitted, Fitting, begin, fitted
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Store

FUNCTIONS: dict[str, Callable[[Fitting], keras.Model]] = {
    "kmeans": models.kmeans,
    "gmm": models.gmm,
    "ae_kmeans": models.ae_kmeans,
    "ae_gmm": models.ae_gmm,
    "vae_gmm": models.vae_gmm,
    "dec": dec.dec,
    "dec_da": dec.dec,
    "idec": dec.idec,
    "gmvae": gmvae.fit,
}


def check(system: str, data: Observations, settings: Settings) -> None:
    """Raises InputError where a system cannot be fitted to rows."""
    if system == "dec_da" and (data.kind != "images" or settings.augment == "none"):
        kind = "rows that are no images" if data.kind != "images" else "augment none"
        raise InputError("model", "augmented images for dec_da", kind, "set model to dec")
    if system.endswith("gmm") and len(data.x) < 2:
        raise InputError("x", f"at least 2 rows, to which {system} fits a Gaussian mixture", "1")


def fit(
    system: str,
    x,
    settings: Settings,
    store: Store | None = None,
    reporter: Silent | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Fit one of `SYSTEMS`, with which VaDE is compared; all else as for `training.recipe.fit`."""
    if system not in FUNCTIONS:
        raise InputError("system", f"one of {', '.join(FUNCTIONS)}", repr(system))
    fitting = begin(x, settings, None, store, reporter, system=system, phases=SYSTEMS[system], callbacks=callbacks)
    check(system, fitting.data, fitting.settings)
    return fitted(fitting, FUNCTIONS[system](fitting))
