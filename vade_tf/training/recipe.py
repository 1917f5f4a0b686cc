"""VaDE's recipe: pretraining, the starting mixture, training that is at first held to groups, settling.

`fit` is the whole of it. The phases are public, for those who want to look between them:

    fitting = begin(x, Settings(clusters=10))
    pretrain(fitting)
    groups = start(fitting)
    held = guide(fitting, groups)
    keep_groups(fitting, groups, held)
    settle(fitting.model, fitting.data.x)  # where images are augmented; `fit` looks at 100,000 of the rows at most
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training import aside, choosing, following, given, ladder, posterior
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.autoencoder import kept_weights, pretrain, set_pretrained, trained_parts
from vade_tf.training.fitting import Fitted, Fitting, begin, fitted
from vade_tf.training.guidance import guide
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import AUTO, Settings
from vade_tf.training.store import Store, damaged, kept_groups

NOISE_ROWS = 1000  # whose mean variance of q(z|x) is the least that a component starts with
STREAM = 10  # of the seed: of the rows that the start of a phase is measured on
NOISY = 0.1  # share of the code's variance that q(z|x) of the caller's own networks may have at the start


def fit(
    x,
    settings: Settings,
    hints=None,
    store: Store | None = None,
    reporter: Silent | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    networks: tuple[keras.Model, keras.Model] | None = None,
) -> Fitted:
    """Fit a VaDE to rows: pretraining, starting mixture, guided training and settling. No file, no label.

    Args:
        x: the rows: an array [n, D] or of images [n, height, width] (or [n, height, width, channels]), a SciPy sparse
            matrix [n, D], which stays sparse, a finite `tf.data.Dataset` of rows or batches of rows, which is read
            once (its batches have an open first axis: with `drop_remainder=True` each would be one image), or
            `data.dataset.Observations`. uint8 counts as grey values from 0 to 255 (of at most 32: to what they end at).
        settings: `Settings(clusters=K, ...)`; with clusters="auto", K is chosen before the training (`choose`).
        hints: known group of each row, int [n], -1 where it is not known: semi-supervised training. Rows without a
            hint keep the groups of the start, which are renamed to fit the hints.
        store: what is kept during the fit; with the store of an interrupted fit it goes on where that stopped, and ends
            with the weights that it would have had: on the same machine without a GPU bit for bit. A store is for one
            fit, perhaps of more epochs: other rows, seed, clusters, likelihood or hints are refused. That one of
            `callbacks` has stopped a phase is not kept. Default: a new `Memory`.
        reporter: hears of the progress; default nobody (`Silent`). `Lines()` prints.
        callbacks: Keras callbacks, for every phase. They see `logs` before the history does: what they add under the
            name of a column stands in it. The autoencoder's phase and VaDE's are two trainings, each with a begin, an
            end and another model, and so is each time that VaDE begins anew (`ladder`): `ModelCheckpoint` finds the
            best epoch of each, so let its file have {epoch} or be of the last, and `CSVLogger` needs append=True. The
            schedule sets the rate at each begin of an epoch, a `LearningRateScheduler` of yours after it.
        networks: the caller's own (encoder, decoder), functional Keras models: encoder from x [batch, D], or images of
            any shape of that size, to (m, log s2), [batch, latent] each; decoder from [batch, latent] to the parameters
            of p(x|z), of the size of x: logits, or means of standardised values, without a sigmoid. The encoder reads x
            as p(x|z) has it, scaled from 0 to 1 or to variance 1 already (counts as they are): a `Rescaling(1 / 255)`
            or a `Normalization` of raw rows is refused. They are trained in place, but for what is frozen. Default: the
            paper's, `Settings.hidden` wide.

    Returns:
        The fitted model, its history, and what is wrong with it, if anything (`Fitted`).

    Raises:
        InputError: rows, settings, hints or networks that cannot be used; it is a ValueError and names the argument.
        DivergedError: loss or weights became NaN or infinite, time and again.

    Source: Jiang et al., IJCAI 2017; the start and the guidance are this package's.
    """
    auto = isinstance(settings, Settings) and settings.clusters == AUTO
    if auto and hints is not None:
        raise InputError("hints: name groups of a known number of clusters; use clusters=K instead of 'auto'")
    opening = settings.opening() if auto else settings
    fitting = begin(x, opening, hints, store, reporter, callbacks, networks=networks)
    choice = None
    if auto:
        choosing.numbers_tried(len(fitting.data.x))  # says now, not after the autoencoder, that there are too few rows
    pretrain(fitting)
    if auto:
        fitting, choice = choose(fitting)
    begun = start(fitting)
    held = guide(fitting, begun)
    remedies, found = keep_groups(fitting, begun, held)
    if fitting.settings.augment != "none" and fitting.data.image_shape is not None:
        settle(fitting.model, finding.read_by_start(fitting)[0])
    if choice is None and hints is None:
        found = [*found, *finding.doubts(fitting, begun)]
    elif choice is not None and choice.sure == "not sure":
        found = [
            f"{choice.n_clusters} clusters are a guess: {choice.why}; use clusters=K if you know the number",
            *found,
        ]
    if hints is None:
        found = [*found, *following.one_column(fitting)]
    return replace(fitted(fitting, fitting.model, remedies, found), choice=choice)


def choose(fitting: Fitting) -> tuple[Fitting, choosing.Choice]:
    """Choose the number of clusters: starts with each K are compared on the pretrained autoencoder.

    Args:
        fitting: a fit that is pretrained, with any number of clusters.

    Returns:
        The fit with that K, around the same networks; and the choice.

    Raises:
        InputError: so few rows have no groups.
        DivergedError: as for `start`.
    """
    store, settings, n = fitting.store, fitting.settings, len(fitting.data.x)
    choice = choosing.kept_choice(store, n)
    if choice is None:
        if fitting.state is not None and fitting.state.phase == "fit":
            raise damaged(store, "state", f"it goes on from {store.place('clusters')}, which is not there")
        tried = choosing.numbers_tried(n)

        def compare() -> dict[str, np.ndarray]:
            advance = fitting.reporter.phase("clusters", choosing.STARTS)
            rows, _ = finding.read_by_start(fitting)
            views = finding.reader(fitting, "init", rows)(rows)
            z = finding.code(fitting, "init", rows, views)
            text, seed = f"{settings.init}, from 2 to {tried[-1]} groups", settings.start_seed
            kind = finding.found_on(fitting, "init")
            places = partial(finding.shown_by_halves, fitting, rows, tried) if finding.asks_halves(fitting) else None
            ari, strong, where = choosing.compared(
                z, tried, settings.init, seed, views, kind, lambda: advance(1, text), places
            )
            best = choosing.chosen(tried, ari, strong).n_clusters
            parted = choosing.borders(z, best, settings.init, seed, views, kind, where[tried.index(best)])
            return {"tried": np.array(tried), "stability": ari, "strength": strong, "borders": parted}

        with fitting.timed():
            found = fitting.by_chief(compare)
        store.save("clusters", found)
        choice = choosing.doubted(choosing.chosen(tried, found["stability"], found["strength"]), found["borders"])
    fitting.reporter.say(f"{choice.n_clusters} clusters, {choice.sure}: {choice.why}")
    settings = replace(settings, clusters=choice.n_clusters)
    before = fitting.model
    networks = before.encoder, before.decoder
    model = given.build_model(fitting.data, before.likelihood, settings, fitting.precision, networks)
    if model.origins is not None and before.origins is not None:
        model.origins.set_weights(before.origins.get_weights())
    return replace(fitting, settings=settings, model=model), choice


def start(fitting: Fitting) -> np.ndarray:
    """Find the starting mixture on the pretrained code and give it to the model.

    Args:
        fitting: its model's prior is changed in place.

    Returns:
        The group of each row, int [n], named as the hints where there are any.

    Raises:
        DivergedError: the code is not finite, or its distances are not.
    """
    store, model = fitting.store, fitting.model
    found = kept_start(store, len(fitting.data.x), fitting.settings.clusters, model.prior.latent_dim)
    if found is None and fitting.state is not None and fitting.state.phase == "fit":
        raise damaged(store, "state", f"it goes on from {store.place('start')}, which is not there")
    if found is None:
        with fitting.timed():
            found = finding.found_groups(fitting, "init")
        if fitting.hints is not None:
            found = starts.renamed(found, fitting.hints)
        store.save("start", vars(found))
    x = fitting.data.x
    some = x[subset(len(x), pipeline.together(x, NOISE_ROWS), fitting.settings.seed, STREAM)]
    if fitting.state is None or fitting.state.phase != "fit":
        if fitting.own_networks:
            quieten(model, some)
        if model.log_sigma2_x is not None:
            model.set_variance(reconstruction_variance(fitting))
    log_s2 = model.encode(some)[1].numpy()
    noise = np.exp(np.minimum(log_s2, 0.0)).mean(axis=0)  # [latent]; at the bound's optimum no component is narrower
    model.prior.assign(found.pi, found.mu, np.maximum(found.sigma2, noise))
    return found.groups


def kept_start(store: Store, n: int, clusters: int, latent: int) -> starts.Start | None:
    """The start of n rows that a store has, in so many clusters and latent dimensions, or None.

    Raises:
        InputError: it is another, or no mixture.
    """
    mixture = {"pi": ("f", (clusters,)), "mu": ("f", (clusters, latent)), "sigma2": ("f", (clusters, latent))}
    kept = kept_groups(store, "start", n, clusters, mixture)
    if kept is None:
        return None
    if kept["pi"].min() <= 0 or kept["sigma2"].min() < 0:
        raise damaged(store, "start", "expected pi above 0, and sigma2 not below")
    return starts.Start(**kept)


def reconstruction_variance(fitting: Fitting) -> np.ndarray:
    """The variance of p(x|z) at which the autoencoder's reconstruction of rows is most probable, [D].

    The rows are those set aside and some of the others, see `aside.of_both`, or some of all.
    """
    apart, trained = fitting.measured
    if len(fitting.aside):
        return aside.of_both(fitting.model, apart, trained, fitting.settings.seed)
    return aside.variance(fitting.model, trained)


def quieten(model: VaDE, x: Rows) -> None:
    """Make the noise of q(z|x) small against the code, where the networks' log-variance head starts too wide.

    The head was not trained with the autoencoder, and the noise of a usual initialisation, s2 around 1, wrecks the
    pretrained code in the first epoch. Where the mean s2 is more than `NOISY` of the code's variance, a dense head is
    shrunk to a tenth with its bias at the log of half of that share. A frozen one stays as the caller made it.

    Args:
        model: its encoder is changed in place.
        x: raw rows, [n, D].
    """
    m, log_s2 = (each.numpy() for each in model.encode(x))
    limit = NOISY * float(m.var(axis=0).mean())
    head = next((layer for layer in model.encoder.layers if layer.output is model.encoder.outputs[1]), None)
    wide = float(np.exp(log_s2).mean()) > limit > 0
    if wide and isinstance(head, keras.layers.Dense) and head.use_bias and head.trainable:
        head.kernel.assign(0.1 * head.kernel)
        head.bias.assign(np.full(head.bias.shape, np.log(0.5 * limit), np.float32))


def keep_groups(fitting: Fitting, start_groups: np.ndarray, held: np.ndarray) -> tuple[list[str], list[str]]:
    """Go back to the groups of the start, where training has lost them: see `ladder.climb`.

    Args:
        fitting: its model, trained, is changed in place.
        start_groups: as `start` returned them, int [n].
        held: as `guide` returned them, int [n].

    Returns:
        What was done about it, and what is wrong with the result, a sentence each or none.
    """
    return ladder.climb(fitting, start_groups, held, partial(return_to_start, fitting))


def return_to_start(fitting: Fitting) -> None:
    """Give the model the weights, mixture and variance with which VaDE began."""
    weights = kept_weights(fitting.store, "pretrained", trained_parts(fitting.model))
    if weights is None:
        raise damaged(fitting.store, "pretrained", "the start was found on it, which is not there")
    set_pretrained(trained_parts(fitting.model), weights)
    start(replace(fitting, state=None))


def settle(model: VaDE, x: Rows) -> None:
    """Set the mixture to the optimum of the bound for the rows as they are; training read them augmented.

    With gamma and q(z|x) held, the bound is highest (setting its derivatives to zero) at pi_c = mean gamma_c,
    mu_c = mean of m and sigma2_c = mean of s2 + (m - mu_c)^2, the last two weighted by gamma_c. A component without
    rows stays as it is.

    Args:
        model: its prior is changed in place.
        x: raw rows, [n, D].
    """
    m, log_s2, log_gamma = (each.astype(np.float64) for each in posterior.encoded(model, x))
    gamma = np.exp(log_gamma)  # [n, K]; m and log_s2 are [n, latent]
    weight = gamma.sum(axis=0)  # [K]
    _, mu, log_sigma2 = (each.numpy().astype(np.float64) for each in model.prior.parameters)
    pi, sigma2 = np.maximum(weight, 1e-6 * len(m)), np.exp(log_sigma2)
    for c in np.flatnonzero(weight >= 1.0):
        mu[c] = gamma[:, c] @ m / weight[c]
        sigma2[c] = gamma[:, c] @ (np.exp(log_s2) + (m - mu[c]) ** 2) / weight[c]
    model.prior.assign(pi, mu, sigma2)
