"""What the rows of a fit are taken for, and which likelihood they get. Decided here, once: all else reads it."""

from dataclasses import replace

import numpy as np

from vade_tf.data.dataset import Observations
from vade_tf.data.observations import R, taken_for
from vade_tf.errors import InputError
from vade_tf.model import likelihood as likelihoods
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.mixed import KINDS, Mixed
from vade_tf.training import build
from vade_tf.training.settings import AUTO, VADE_PHASES, Phases, Resolved, Settings

GREY_CONTRAST = 0.4  # of 1, that of on and off; MNIST has 0.78, digits 0.51, TF-IDF 0.18, scaled tables 0.1 to 0.3
EMBEDDINGS_HIDDEN = (256, 256)  # of the shared sets as good as 500-500-2000, in half the time; no script
ROUNDING = 1e-5  # of the range of all values, which a pixel may lie below 0 or above 1


def kind_of_settings(settings: Settings) -> str:
    """The kind that settings ask for, "auto" where they leave it to the values; a count likelihood asks for counts.

    Raises:
        InputError: a likelihood and a kind that do not go together.
    """
    counts = settings.likelihood != AUTO and likelihoods.get(settings.likelihood).reads_counts
    if counts and settings.kind not in (AUTO, "counts"):
        raise InputError("kind", "counts, which this likelihood reads", repr(settings.kind), "leave it out")
    if settings.kind == "counts" and settings.likelihood != AUTO and not counts:
        raise InputError("likelihood", "one of counts beside kind counts", repr(settings.likelihood), "leave it out")
    return "counts" if counts else settings.kind


def taken(data: R, settings: Settings) -> R:
    """The rows, taken for the kind that settings ask for; counts under a likelihood of other rows are plain numbers."""
    data, asked = taken_for(data, kind_of_settings(settings)), _asked(data, settings)
    if data.kind == "counts" and asked is not None and not asked.reads_counts:
        return taken_for(data, data.kind_of_numbers)
    return data


def choose(data: Observations, settings: Settings) -> Likelihood:
    """The likelihood of rows that are `taken` as the settings say; InputError where they are none for it."""
    return _choose(data, _asked(data, settings)).fitted_to(data)


def _asked(data: Observations, settings: Settings) -> Likelihood | None:
    """The likelihood that the settings ask for, or else the rows; None: it follows from their kind."""
    name = data.likelihood if settings.likelihood == AUTO else settings.likelihood
    return None if name == AUTO else likelihoods.get(name)


def resolve(
    data: R, settings: Settings, phases: Phases = VADE_PHASES, own_networks: bool = False
) -> tuple[R, Likelihood, Resolved]:
    """The rows as they are taken, their likelihood, and the settings with all that follows from both written out.

    Args:
        data, settings: of the fit.
        phases: of a system that is not VaDE.
        own_networks: whether the networks are the caller's, so that there is nothing to choose.

    Raises:
        InputError: rows and settings do not go together.
    """
    data = taken(data, settings)
    likelihood = choose(data, settings)
    network = settings.network if own_networks else build.choose_network(data, settings)
    if data.kind == "embeddings" and settings.hidden is None:
        settings = replace(settings, hidden=EMBEDDINGS_HIDDEN)
    n, features = data.x.shape
    resolved = settings.resolve(
        n,
        features,
        phases,
        sharpens=build.sharpens(data),
        convolves=network == "conv",
        learns_variance=likelihood.learns_variance,
    )
    return data, likelihood, resolved if own_networks else replace(resolved, network=network)


def _choose(data: Observations, asked: Likelihood | None) -> Likelihood:
    """The likelihood asked for, checked; or, None, that of the rows' kind.

    Counts get a negative binomial, the columns of a table a family each, bytes, images in [0, 1] and what varies as on
    and off do a Bernoulli, all else a Gaussian.
    """
    if data.kind == "counts":
        return asked or likelihoods.get("counts")
    low, high = _range(data)
    if asked is not None:
        asked.check(low, high, data.x.dtype)
    blocks = data.schema.blocks if data.kind == "table" and data.schema is not None else ()
    if blocks and asked is None:
        return Mixed(blocks)
    if blocks and asked is not None and asked.name in KINDS:
        return Mixed([(asked.name, data.x.shape[1])])
    return asked or likelihoods.get("bernoulli" if _is_grey(data, low, high) else "gaussian")


def _range(data: Observations) -> tuple[float, float]:
    """The least and the largest grey value; what rounding adds beyond 0 and 1 is left out."""
    scale, offset = data.grey
    low, high = data.low * scale + offset, data.high * scale + offset
    rounding = ROUNDING * (high - low)
    if -rounding <= low < 0:
        low = 0.0
    if 1 < high <= 1 + rounding:
        high = 1.0
    return low, high


def _is_grey(data: Observations, low: float, high: float) -> bool:
    """Whether values are images, bytes, or vary in [0, 1] nearly as much as on and off do."""
    if data.kind == "images" or data.x.dtype == np.uint8:
        return True
    if data.kind in ("texts", "embeddings") or not 0 <= low <= high <= 1:
        return False
    mean, std = data.moments()
    return bool((std**2).sum() >= GREY_CONTRAST * (mean * (1 - mean)).sum())
