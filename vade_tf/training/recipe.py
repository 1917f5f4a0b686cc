"""VaDE's recipe: pretraining, the start, training that is held to its soft partition.

`fit` is the whole of it. The phases are public, for those who want to look between them:

    fitting = begin(x, Settings(clusters=10))
    pretrain(fitting)
    P = start(fitting)
    P = guide(fitting, P)
"""

from dataclasses import replace
from typing import Unpack

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.errors import InputError
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, subset
from vade_tf.training import build, initialization, n_clusters, partitions, posterior, validation
from vade_tf.training.autoencoder import pretrain
from vade_tf.training.fitting import Extras, Fitted, Fitting, begin, fitted
from vade_tf.training.guidance import guide, lost_groups
from vade_tf.training.initialization import Start
from vade_tf.training.n_clusters import Choice
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import AUTO, SAMPLE_ROWS, Settings
from vade_tf.training.store import Store

MAX_NOISE_SHARE = 0.1  # of the code's variance, at the start of networks of the caller's own; a rule of this package


def fit(
    x,
    settings: Settings,
    hints=None,
    store: Store | None = None,
    reporter: Silent | None = None,
    **extras: Unpack[Extras],
) -> Fitted:
    """Fit a VaDE to rows: pretraining, starting mixture, guided training. No file, no label.

    Args:
        x: the rows: an array [n, D] or of images [n, height, width] (or [n, height, width, channels]), a SciPy sparse
            matrix [n, D], which stays sparse, a finite `tf.data.Dataset` of rows or of batches with an open first
            axis, or `data.dataset.Observations`. uint8 counts as grey values.
        settings: `Settings(clusters=K, ...)`; with clusters="auto", K is chosen before the training (`choose`).
        hints: known group of each row, int [n], -1 where it is not known: semi-supervised training. Rows without a
            hint keep the partition of the start, whose groups are renamed to fit the hints.
        store: what is kept during the fit; with the store of an interrupted fit it goes on where that stopped, and ends
            with the weights that it would have had: on the same machine without a GPU bit for bit. A store is for one
            fit, perhaps of more epochs. That a callback has stopped a phase is not kept. Default: a new `Memory`.
        reporter: hears of the progress; default nobody (`Silent`). `Lines()` prints.
        callbacks: Keras callbacks, for every phase. They see `logs` before the history does: what they add under the
            name of a column stands in it. The autoencoder's phase and VaDE's are two trainings of two models.
        init: a start of the caller's own in place of `settings.init`: a clusterer or mixture of scikit-learn, whose
            number of clusters is set to K and which reads what the start of such rows reads (`initialization`); a
            function of the raw rows; or an array. Both give groups, int [n], -1 for none, or probabilities [n, K].
        networks: the caller's own (encoder, decoder), functional Keras models: encoder from x [batch, D], or images of
            any shape of that size, to (m, log s2), [batch, latent] each; decoder from [batch, latent] to the parameters
            of p(x|z), of the size of x: logits, or means of standardised values, without a sigmoid. The encoder reads x
            as p(x|z) has it, scaled already (counts as they are). They are trained in place. Default: the paper's,
            `Settings.hidden` wide.
        sample_weight: weight of each row in the bound, in k-means and mixtures of the start and in its moments, numbers
            from 0 up [n]; they are scaled to a mean of 1. Default: all rows count alike.

    Returns:
        The fitted model, its history, and what is wrong with it, if anything (`Fitted`).

    Raises:
        InputError: rows, settings, hints or networks that cannot be used; it is a ValueError and names the argument.
        DivergedError: loss or weights became NaN or infinite, time and again.

    Source: Jiang et al., IJCAI 2017; the start and the guidance are this package's.
    """
    if settings.clusters == AUTO:
        _check_choosing(hints, extras.get("init"))
    fitting = begin(x, settings.opening(), hints, store, reporter, **extras)
    pretrain(fitting)
    choice = None
    if settings.clusters == AUTO:
        fitting, choice = choose(fitting)
    rule = initialization.described(*partitions.rule(fitting))
    fitting.reporter.say(f"{fitting.data.describe_kind()}; start: {rule}")
    P = guide(fitting, start(fitting))
    result = fitted(fitting, fitting.model, lost_groups(fitting, P))
    return replace(result, choice=choice, kind=fitting.data.kind, start=rule)


def _check_choosing(hints, init) -> None:
    """Raises InputError where what is given needs a number of clusters, which is still to be chosen."""
    if hints is not None:
        raise InputError("hints", "a number of clusters, whose groups they name", "auto", "set it")
    if not (init is None or callable(init) or hasattr(init, "fit")):
        raise InputError("init", "no array where the number of clusters is chosen", "one", "set that number")


def choose(fitting: Fitting) -> tuple[Fitting, Choice]:
    """A pretrained fit with the number of clusters by prediction strength (`n_clusters`), and why it is that.

    The fit has the same networks. The strength is measured in the space that the start reads.
    """
    store, settings = fitting.store, fitting.settings
    found = store.load("clusters")
    if found is None:
        with fitting.timed():
            found = fitting.by_chief(lambda: partitions.strengths(fitting))
        store.save("clusters", found)
    choice = n_clusters.choose_number(**found)
    fitting.reporter.say(choice.why)
    settings = replace(settings, clusters=choice.n_clusters)
    before = fitting.model
    networks = before.encoder, before.decoder
    model = build.build_model(fitting.data, before.likelihood, settings, fitting.precision, networks)
    if model.batch_effects is not None and before.batch_effects is not None:
        model.batch_effects.set_weights(before.batch_effects.get_weights())
    return replace(fitting, settings=settings, model=model), choice


def start(fitting: Fitting) -> np.ndarray:
    """Find the soft partition and the starting mixture, and give the latter to the model's prior.

    Returns:
        P [n, K], its groups named as the hints where there are any.

    Raises:
        DivergedError: the code is not finite, or its distances are not.
    """
    store, model = fitting.store, fitting.model
    kept = store.load("start")
    if kept is not None:
        found = Start(**kept)
    else:
        with fitting.timed():
            found = partitions.found_start(fitting, "init")
        if fitting.hints is not None and (fitting.hints >= 0).any():
            found = found.named(fitting.hints)
        store.save("start", vars(found))
    x = fitting.data.x
    some = x[subset(len(x), pipeline.together(x, SAMPLE_ROWS), fitting.settings.seed, Stream.LOOKED_AT)]
    if fitting.state is None or fitting.state.phase != "fit":
        if fitting.own_networks:
            quieten(model, some)
        if model.log_sigma2_x is not None:
            validated, trained = fitting.measured
            if len(fitting.validation):
                variance = validation.variance_of_both(model, validated, trained, fitting.settings.seed)
            else:
                variance = validation.variance(model, trained)
            model.set_variance(variance)
    log_s2 = posterior.over_rows(model.encode, some)[1]
    noise = np.exp(np.minimum(log_s2, 0.0)).mean(axis=0)  # [latent]; at the bound's optimum no component is narrower
    model.prior.assign(found.pi, found.mu, np.maximum(found.sigma2, noise))
    return found.P


def quieten(model: VaDE, x: Rows) -> None:
    """Make the noise of q(z|x) small against the code of raw rows x [n, D], for networks of the caller's own.

    The log-variance head was not trained with the autoencoder, and s2 around 1 wrecks the pretrained code in the first
    epoch. Where it is more than `MAX_NOISE_SHARE` of the code's variance, a dense head gets half of that share.
    """
    m, log_s2 = posterior.over_rows(model.encode, x)
    limit = MAX_NOISE_SHARE * float(m.var(axis=0).mean())
    head = next((layer for layer in model.encoder.layers if layer.output is model.encoder.outputs[1]), None)
    wide = float(np.exp(log_s2).mean()) > limit > 0
    if wide and isinstance(head, keras.layers.Dense) and head.use_bias and head.trainable:
        head.kernel.assign(0.1 * head.kernel)
        head.bias.assign(np.full(head.bias.shape, np.log(0.5 * limit), np.float32))
