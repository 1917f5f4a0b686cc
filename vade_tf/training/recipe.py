"""VaDE's recipe: pretraining, the starting mixture, training that is at first held to groups, settling.

`fit` is the whole of it. The phases are public, for those who want to look between them:

    fitting = begin(x, Settings(clusters=10))
    pretrain(fitting)
    groups = start(fitting)
    held = guide(fitting, groups)
    keep_groups(fitting, groups, held)
    settle(fitting.model, fitting.data.x)
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows, part
from vade_tf.errors import InputError
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.seeding import fold
from vade_tf.training import aside, choosing, extension, given, ladder, loop
from vade_tf.training import callbacks as keras_callbacks
from vade_tf.training import start as starts
from vade_tf.training.autoencoder import kept_weights, pretrain, set_pretrained
from vade_tf.training.keep import Held
from vade_tf.training.loop import Fitted, Fitting, begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import AUTO, Resolved, Settings
from vade_tf.training.store import Store, damaged, kept_groups
from vade_tf.training.views import OWN_FEATURES, direction_reader, feature_reader, view_reader, within_reach
from vade_tf.training.watch import Watch

BLOCK = 16_384  # rows that get their groups together
NOISE_ROWS = 1000  # whose mean variance of q(z|x) is the least that a component starts with
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
            once, or `data.dataset.Observations`. uint8 counts as grey values from 0 to 255.
        settings: `Settings(clusters=K, ...)`; with clusters="auto", K is chosen on the autoencoder (`choose`).
        hints: known group of each row, int [n], -1 where it is not known: semi-supervised training. Rows without a
            hint keep the groups of the start, which are renamed to fit the hints.
        store: what is kept during the fit; with the store of an interrupted fit it goes on where that stopped, and ends
            with the weights, bit for bit, that it would have had. Default: a new `Memory`.
        reporter: hears of the progress; default nobody (`Silent`). `Lines()` prints.
        callbacks: Keras callbacks, for every phase. They see `logs` before the history does: what they add under the
            name of a column stands in it.
        networks: the caller's own (encoder, decoder), functional Keras models: encoder from x [batch, D], or images of
            any shape of that size, to (m, log s2), [batch, latent] each; decoder from [batch, latent] to the parameters
            of p(x|z), of the size of x. They are trained in place. Default: the paper's, `Settings.hidden` wide.

    Returns:
        The fitted model, its history, and what is wrong with it, if anything (`Fitted`).

    Raises:
        InputError: rows, settings, hints or networks that cannot be used; it is a ValueError and names the argument.
        DivergedError: loss or weights became NaN or infinite, time and again.

    Source: Jiang et al., IJCAI 2017; the start and the guidance are this package's.
    """
    auto = isinstance(settings, Settings) and settings.clusters == AUTO
    if auto and hints is not None:
        raise InputError("hints: name groups of a known number of clusters; give clusters a number instead of 'auto'")
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
        settle(fitting.model, read_by_start(fitting)[0])
    if choice is not None and choice.sure == "not sure":
        found = [f"{choice.n_clusters} clusters are a guess: {choice.why}; give clusters a number you know", *found]
    return replace(loop.fitted(fitting, fitting.model, remedies, found), choice=choice)


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
            rows, _ = read_by_start(fitting)
            z, views, own = _reader(fitting, "init", rows)(rows)
            text, seed = f"{settings.init}, from 2 to {tried[-1]} groups", start_seed(settings)
            found = choosing.compared(z, tried, settings.init, seed, views, own, lambda: advance(1, text))
            return dict(zip(("tried", "stability", "strength"), (np.array(tried), *found), strict=True))

        with fitting.timed():
            found = fitting.by_chief(compare)
        store.save("clusters", found)
        choice = choosing.chosen(tried, found["stability"], found["strength"])
    fitting.reporter.say(f"{choice.n_clusters} clusters, {choice.sure}: {choice.why}")
    settings = replace(settings, clusters=choice.n_clusters)
    networks = fitting.model.encoder, fitting.model.decoder
    model = given.build_model(fitting.data, settings, fitting.precision, networks)
    return replace(fitting, settings=settings, model=model), choice


def start(fitting: Fitting) -> np.ndarray:
    """Find the starting mixture on the pretrained code and give it to the model.

    Args:
        fitting: its model's prior is changed in place.

    Returns:
        The group of each row, int32 [n], named as the hints where there are any.

    Raises:
        DivergedError: the code is not finite, or its distances are not.
    """
    store, model = fitting.store, fitting.model
    k, latent = fitting.settings.clusters, model.prior.latent_dim
    mixture = {"pi": ("f", (k,)), "mu": ("f", (k, latent)), "sigma2": ("f", (k, latent))}
    kept = kept_groups(store, "start", len(fitting.data.x), k, mixture)
    if kept is None and fitting.state is not None and fitting.state.phase == "fit":
        raise damaged(store, "state", f"it goes on from {store.place('start')}, which is not there")
    if kept is None:
        with fitting.timed():
            found = starts.Start(**fitting.by_chief(lambda: vars(_found_groups(fitting, "init"))))
        if fitting.hints is not None:
            found = starts.renamed(found, fitting.hints)
        store.save("start", vars(found))
    else:
        found = starts.Start(**kept)
    if fitting.state is None or fitting.state.phase != "fit":
        if fitting.own_networks:
            quieten(model, fitting.data.x)
        if model.log_sigma2_x is not None:
            model.set_variance(reconstruction_variance(fitting))
    log_s2 = model.encode(fitting.data.x[:NOISE_ROWS])[1].numpy()
    noise = np.exp(np.minimum(log_s2, 0.0)).mean(axis=0)  # [latent]; at the bound's optimum no component is narrower
    model.prior.assign(found.pi, found.mu, np.maximum(found.sigma2, noise))
    return found.groups


def reconstruction_variance(fitting: Fitting) -> np.ndarray:
    """The variance of p(x|z) at which the autoencoder's reconstruction of rows is most probable, [D].

    The rows are those set aside, where there are any.
    """
    model, x, found = fitting.model, fitting.data.x, []
    if len(fitting.aside):
        kept = x[fitting.aside]
        return aside.variance(model, kept, aside.noise(model, len(kept), fitting.settings.seed))
    for rows in pipeline.blocks(x[: 10 * NOISE_ROWS]):
        out = model.x_parameters(model.encode(rows)[0])
        found.append(len(rows) * model.likelihood.variance(model.scale(rows), out).numpy())
    return np.sum(found, axis=0) / min(len(x), 10 * NOISE_ROWS)


def quieten(model: VaDE, x: Rows) -> None:
    """Make the noise of q(z|x) small against the code, where the networks' log-variance head starts too wide.

    The head was not trained with the autoencoder, and the noise of a usual initialisation, s2 around 1, wrecks the
    pretrained code in the first epoch. Where the mean s2 is more than `NOISY` of the code's variance, a dense head is
    shrunk to a tenth with its bias at the log of that share.

    Args:
        model: its encoder is changed in place.
        x: raw rows, [n, D].
    """
    m, log_s2 = (part.numpy() for part in model.encode(x[:NOISE_ROWS]))
    limit = NOISY * float(m.var(axis=0).mean())
    head = next((layer for layer in model.encoder.layers if layer.output is model.encoder.outputs[1]), None)
    if float(np.exp(log_s2).mean()) > limit > 0 and isinstance(head, keras.layers.Dense) and head.use_bias:
        head.kernel.assign(0.1 * head.kernel)
        head.bias.assign(np.full(head.bias.shape, np.log(0.5 * limit), np.float32))


def guide(fitting: Fitting, start_groups: np.ndarray) -> np.ndarray:
    """Train VaDE on its bound, at first held to groups: those of the start, found anew as the code gets better.

    Those of a table and of counts are not found anew: they do not come from the code. Nor are those of few wide rows,
    whose code is that of rows known by heart by then.

    For `settings.guide_epochs` epochs the loss has guide_weight * -log gamma_group added (`elbo.guidance`), then the
    bound is trained alone. Rows with a hint are held to it throughout.

    Args:
        fitting: its model is changed in place.
        start_groups: as `start` returned them, int [n].

    Returns:
        The groups that it was held to last, int [n].

    Raises:
        DivergedError: loss or weights became NaN or infinite, time and again.
    """
    settings, model, x = fitting.settings, fitting.model, fitting.data.x
    done, epochs = loop.prepare(fitting, "fit", model), settings.epochs
    held = settings.guide_epochs if fitting.hints is None else epochs
    watch = Watch(x, settings.clusters, settings.seed)
    own = [
        *([aside.Noise(x[fitting.aside], settings.seed)] if len(fitting.aside) else []),
        keras_callbacks.Guide(settings.guide_weight, held),
        Held(fitting.store, held if epochs <= 2 * held < 2 * epochs else 0),
        *loop.phase_callbacks(fitting, "fit", range(done, epochs), epochs, watch=watch),
    ]
    guided = min(settings.guide_epochs, epochs)
    kept = is_table(fitting) or are_counts(fitting) or is_wide(fitting)
    turns = [] if kept else regroup_epochs(guided, settings.regroups)
    cuts = {0, *turns, epochs} if fitting.hints is None else {0, *turns, guided, epochs}
    groups = last = start_groups
    for first, end in itertools.pairwise(sorted(cuts)):
        if end <= done:
            continue
        if first in turns:
            groups = last = _held_groups(fitting, first)
        elif first == guided and fitting.hints is not None:
            groups = np.full(len(x), -1, np.int32)  # those of the start are let go, the hints are not
        target = groups if fitting.hints is None else np.where(fitting.hints >= 0, fitting.hints, groups)
        span = range(max(first, done), end)
        if not loop.train_epochs(fitting, "fit", model, span, guided_batches(fitting, span, target), own):
            break
    model.guide_weight.assign(settings.guide_weight)  # for hints in a later training of the model
    return last


def guided_batches(fitting: Fitting, span: range, groups: np.ndarray) -> tf.data.Dataset:
    """The batches of VaDE in the epochs of a span: rows as the encoder reads them, and the group each is held to."""
    return fitting.batches("fit", span, start_seed(fitting.settings), hints=groups, **fitting.seen("fit"))


def keep_groups(fitting: Fitting, start_groups: np.ndarray, held: np.ndarray) -> tuple[list[str], list[str]]:
    """Go back to the groups of the start, where training has lost them: see `ladder.climb`.

    Args:
        fitting: its model, trained, is changed in place.
        start_groups: as `start` returned them, int [n].
        held: as `guide` returned them, int [n].

    Returns:
        What was done about it, and what is wrong with the result, a sentence each or none.
    """
    return ladder.climb(
        fitting, start_groups, held, partial(return_to_start, fitting), partial(guided_batches, fitting)
    )


def return_to_start(fitting: Fitting) -> None:
    """Give the model the weights, mixture and variance with which VaDE began."""
    weights = kept_weights(fitting.store, "pretrained")
    if weights is None:
        raise damaged(fitting.store, "pretrained", "the start was found on it, which is not there")
    set_pretrained((fitting.model.encoder, fitting.model.decoder), weights)
    start(replace(fitting, state=None))


def regroup_epochs(guide_epochs: int, regroups: int) -> list[int]:
    """Epochs done when the held groups are found anew: at even distances while VaDE is guided, at most one an epoch."""
    turns = {guide_epochs * i // (regroups + 1) for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _held_groups(fitting: Fitting, epoch: int) -> np.ndarray:
    """The groups found anew after so many epochs: kept by the store, or found now."""
    kept = kept_groups(fitting.store, "groups", len(fitting.data.x), fitting.settings.clusters, {"epoch": ("i", ())})
    if kept is not None and int(kept["epoch"]) == epoch:
        return kept["groups"]
    with fitting.timed():
        groups = fitting.by_chief(lambda: {"groups": regrouped(fitting)})["groups"]
    fitting.store.save("groups", {"epoch": np.array(epoch), "groups": groups})
    return groups


def is_table(fitting: Fitting) -> bool:
    """Whether rows are what their columns say one by one, and not images, texts or the caller's networks' business."""
    data = fitting.data
    plain = data.image_shape is None and data.standardise and fitting.model.likelihood.compares_columns
    return plain and data.x.shape[1] <= OWN_FEATURES and not fitting.own_networks


def are_counts(fitting: Fitting) -> bool:
    """Whether the start reads counts themselves: with the package's networks, and by the graph."""
    counted = isinstance(fitting.model.likelihood, Counts) and not fitting.own_networks
    return counted and fitting.settings.init == "landmark"


def is_wide(fitting: Fitting) -> bool:
    """Whether there are more features than rows, which are no images, so that the networks soon know them by heart."""
    n, features = fitting.data.x.shape
    return features > max(n, OWN_FEATURES) and fitting.data.image_shape is None and not fitting.own_networks


def regrouped(fitting: Fitting) -> np.ndarray:
    """Groups found anew on the present code, named as the model's components: int32 [n]."""
    found, (some, numbers) = _found_groups(fitting, "regroup").groups, read_by_start(fitting)
    return starts.matched(found, loop.model_groups(fitting.model, some), slice(None) if numbers is None else numbers)


def settle(model: VaDE, x: Rows) -> None:
    """Set the mixture to the optimum of the bound for the rows as they are; training read them augmented.

    With gamma and q(z|x) held, the bound is highest (setting its derivatives to zero) at pi_c = mean gamma_c,
    mu_c = mean of m and sigma2_c = mean of s2 + (m - mu_c)^2, the last two weighted by gamma_c. A component without
    rows stays as it is.

    Args:
        model: its prior is changed in place.
        x: raw rows, [n, D].
    """
    encoded = [[part.numpy() for part in model.encode(rows)] for rows in pipeline.blocks(x)]
    m, log_s2 = (np.concatenate(part).astype(np.float64) for part in zip(*encoded, strict=True))  # [n, latent]
    gamma = np.exp(model.prior(m).numpy().astype(np.float64))  # [n, K]
    weight = gamma.sum(axis=0)  # [K]
    _, mu, log_sigma2 = (part.numpy().astype(np.float64) for part in model.prior.parameters)
    pi, sigma2 = np.maximum(weight, 1e-6 * len(m)), np.exp(log_sigma2)
    for c in np.flatnonzero(weight >= 1.0):
        mu[c] = gamma[:, c] @ m / weight[c]
        sigma2[c] = gamma[:, c] @ (np.exp(log_s2) + (m - mu[c]) ** 2) / weight[c]
    model.prior.assign(pi, mu, sigma2)


def start_seed(settings: Resolved) -> int:
    """Seed of the starts and of the order of the rows in the VaDE phase."""
    return settings.seed if settings.restart == 0 else fold(settings.seed, settings.restart)


def read_by_start(fitting: Fitting) -> tuple[Rows, np.ndarray | None]:
    """The rows that a start reads, and their numbers; of few rows all of them and None."""
    x = fitting.data.x
    numbers = extension.read_rows(len(x), start_seed(fitting.settings))
    return (x, None) if numbers is None else (part(x, numbers), numbers)


def _found_groups(fitting: Fitting, phase: str) -> starts.Start:
    """Groups of the rows on the model's present code; of many rows found on some, see `extension`."""
    settings = fitting.settings
    advance = fitting.reporter.phase(phase, starts.DRAWS if settings.init == "landmark" else 1)
    some, numbers = read_by_start(fitting)
    read = _reader(fitting, phase, some)
    z, views, own = read(some)

    def tell() -> None:
        advance(1, f"{settings.init}, {settings.clusters} groups")

    found = starts.start(z, settings.clusters, settings.init, start_seed(settings), views, tell, own, is_wide(fitting))
    if numbers is None:
        return found

    def spaces(code, views, own) -> list[np.ndarray]:
        return [own] if own is not None else [code] if views is None else views

    spread = extension.Extension(spaces(z, views, own), found.groups, settings.clusters, start_seed(settings))
    groups = np.concatenate([spread.groups(spaces(*read(block))) for block in pipeline.blocks(fitting.data.x, BLOCK)])
    groups[numbers] = found.groups
    return replace(found, groups=groups)


def _reader(fitting: Fitting, phase: str, x: Rows) -> Callable:
    """What a start reads: the code [n, latent], the views where neighbours are looked for, and the rows of a table.

    The views are the code and the layer before it. The start of a table is an exception: few columns are read as they
    are, for the code of an autoencoder has no better neighbours than these, and another code each time. So is that of
    counts, by the same reason: it reads them in their principal directions.

    Args:
        fitting, phase: which start it is.
        x: raw rows that say how others are read, see `views`.

    Returns:
        Function of raw rows to the three, None where they do not count.
    """
    model = fitting.model

    def code(rows: Rows) -> np.ndarray:
        return within_reach(loop.codes(model, rows))

    if fitting.settings.init != "landmark":
        return lambda rows: (code(rows), None, None)
    if phase == "init" and is_table(fitting):
        own = feature_reader(model, x)
        return lambda rows: (code(rows), None, own(rows))
    if phase == "init" and are_counts(fitting):
        directions = direction_reader(model, x)
        return lambda rows: (code(rows), [directions(rows)], None)
    both = view_reader(model, x)

    def read(rows: Rows):
        z, hidden = both(rows)
        return z, [z] if hidden is None else [z, hidden], None

    return read
