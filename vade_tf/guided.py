"""VaDE's own phases: the starting mixture, and the training that is at first held to groups found without labels."""

import itertools

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf

from vade_tf import callbacks, init, phases, watch
from vade_tf.config import TrainConfig
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import DivergedError
from vade_tf.model import VaDE
from vade_tf.phases import Work

NOISE_ROWS = 1000  # whose mean variance of q(z|x) is the least that a component starts with
DIRECTIONS = 40  # of the last hidden layer; on MNIST they hold nine tenths of its variance
SAMPLE = 10_000  # rows on which they are found
CODE_LIMIT = 1e18  # beyond, squared distances are infinite in float32


def vade(work: Work) -> VaDE:
    """The system of this package: the three phases, one after the other."""
    phases.pretrain(work)
    fit(work, start(work))
    return work.model


def start(work: Work) -> np.ndarray:
    """The starting mixture, from the pretrained code; assigned to the model. Returns its groups, [n]."""
    found = work.run.load_start()
    if found is None:
        advance = work.reporter.phase("init", 1)
        with work.timed():
            found = _group(work)
        work.run.save_start(found)
        advance(1, f"{work.config.init}, {work.config.clusters} groups")
    log_s2 = work.model.encode(work.dataset.x[:NOISE_ROWS])[1].numpy()
    noise = np.exp(np.minimum(log_s2, 0.0)).mean(axis=0)  # [latent]; at the bound's optimum no component is narrower
    work.model.prior.assign(found.pi, found.mu, np.maximum(found.sigma2, noise))
    return found.groups


def fit(work: Work, start_groups: np.ndarray) -> None:
    """VaDE, at first held to groups: the hints, or those of the start, found anew on the code as it gets better."""
    config, model = work.config, work.model
    done = phases.prepare(work, "fit", model)
    epochs = phases.filled(config.epochs)
    image_shape = work.dataset.image_shape if config.augment else None
    guide = callbacks.Guide(config.guide_weight, phases.filled(config.guide_epochs))
    views = callbacks.Views(work.dataset, config.seed, epochs)
    watched = watch.Watch(work.dataset.x, phases.filled(config.clusters), config.seed)
    own = [
        guide,
        *phases.phase_callbacks(
            work,
            "fit",
            range(done, epochs),
            epochs,
            score=lambda: phases.label_scores(model, work.dataset),
            views=views,
            watch=watched,
        ),
    ]
    first = start_groups if work.hints is None else work.hints
    turns = [] if work.hints is not None else regroup_epochs(phases.filled(config.guide_epochs), config.regroups)
    for begin, end in itertools.pairwise([0, *turns, epochs]):
        if end > done:
            groups = _held_groups(work, begin) if begin else first
            span = range(max(begin, done), end)
            rows = (work.dataset.x, config.batch_size, start_seed(config), span)
            batches = pipeline.training_batches(*rows, hints=groups, image_shape=image_shape)
            phases.train_epochs(work, model, span, batches, own)
    if image_shape is not None:
        settle(model, work.dataset)


def regroup_epochs(guide_epochs: int, regroups: int) -> list[int]:
    """Epochs done when the held groups are found anew: at even distances while VaDE is guided, at most one an epoch."""
    turns = {guide_epochs * i // (regroups + 1) for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _held_groups(work: Work, epoch: int) -> np.ndarray:
    """The groups found anew after so many epochs: kept by the run, or found now."""
    kept = work.run.load_groups()
    if kept is not None and kept[0] == epoch:
        return kept[1]
    with work.timed():
        groups = regrouped(work)
    work.run.save_groups(epoch, groups)
    return groups


def regrouped(work: Work) -> np.ndarray:
    """Groups found anew on the present code, named as the model's components: int32 [n]."""
    return init.matched(_group(work).groups, phases.model_groups(work.model, work.dataset))


def settle(model: VaDE, dataset: Dataset) -> None:
    """Set the mixture to the optimum of the bound for the rows as they are; training read them augmented.

    With gamma and q(z|x) held, the bound is highest (setting its derivatives to zero) at pi_c = mean gamma_c,
    mu_c = mean of m and sigma2_c = mean of s2 + (m - mu_c)^2, the last two weighted by gamma_c. A component without
    rows stays as it is.
    """
    encoded = [[part.numpy() for part in model.encode(rows)] for rows in pipeline.ordered_batches(dataset.x)]
    m, log_s2 = (np.concatenate(part).astype(np.float64) for part in zip(*encoded, strict=True))  # [n, latent]
    gamma = np.exp(model.prior(m).numpy().astype(np.float64))  # [n, K]
    weight = gamma.sum(axis=0)  # [K]
    _, mu, log_sigma2 = (part.numpy().astype(np.float64) for part in model.prior.parameters)
    pi, sigma2 = np.maximum(weight, 1e-6 * len(m)), np.exp(log_sigma2)
    for c in np.flatnonzero(weight >= 1.0):
        mu[c] = gamma[:, c] @ m / weight[c]
        sigma2[c] = gamma[:, c] @ (np.exp(log_s2) + (m - mu[c]) ** 2) / weight[c]
    model.prior.assign(pi, mu, sigma2)


def start_seed(config: TrainConfig) -> int:
    """Seed of the starts and of the order of the rows in the VaDE phase."""
    if config.restart == 0:
        return config.seed
    return int(np.random.SeedSequence((config.seed, config.restart)).generate_state(1)[0] >> 1)


def row_views(model: VaDE, x: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Raw rows x [n, D] as the encoder sees them in two places: their neighbours there are not quite the same.

    Returns:
        The mean code, [n, latent], and the last hidden layer in its principal directions, [n, at most DIRECTIONS].
    """
    encoder = model.encoder
    m, h = encoder.outputs[0], keras.ops.cast(encoder.get_layer("z_mean").input, "float32")

    def read(output, rows: Rows) -> np.ndarray:
        """One array, filled batch by batch: of many rows this is most of the memory."""
        network = keras.Model(encoder.inputs, output)
        forward = tf.function(lambda batch: network(model.scale(batch)), reduce_retracing=True)
        found = np.empty((len(rows), output.shape[1]), np.float32)
        at = 0
        for batch in pipeline.ordered_batches(rows):
            found[at : at + len(batch)] = forward(batch)
            at += len(batch)
        return _within_reach(found)

    every = -(-len(x) // SAMPLE)
    axes = _leading_directions(read(h, x.part(slice(None, None, every)) if isinstance(x, SparseRows) else x[::every]))
    both = read(keras.ops.concatenate([m, h @ axes], axis=1), x)
    width = m.shape[1]
    return both[:, :width].copy(), both[:, width:].copy()  # whole arrays, or each fit to them makes its own copy


def _leading_directions(sample: np.ndarray) -> np.ndarray:
    """At most DIRECTIONS principal directions of a sample [n, width], [width, directions]. Centres the sample."""
    sample -= sample.mean(axis=0)
    sample *= 2.0 ** -int(np.frexp(np.abs(sample).max())[1])  # exact; the squares of a diverging layer overflow
    width = sample.shape[1]
    leading = max(width - DIRECTIONS, 0), width - 1
    return scipy.linalg.eigh(sample.T @ sample, subset_by_index=leading)[1][:, ::-1]


def _within_reach(code: np.ndarray) -> np.ndarray:
    """The code itself, if it is finite and its squared distances are."""
    furthest = max(code.max(), -code.min())
    if not furthest < CODE_LIMIT:  # NaN is not either
        raise DivergedError(f"init: the code reaches {furthest:.3g}, too far for a mixture; lower --learning-rate")
    return code


def _group(work: Work) -> init.Start:
    """Groups of the rows on the model's present code; "landmark" reads the layer before it as well."""
    config = work.config
    if config.init == "landmark":
        z, hidden = row_views(work.model, work.dataset.x)
    else:
        z, hidden = _within_reach(phases.codes(work)), None
    return init.start(z, phases.filled(config.clusters), config.init, start_seed(config), hidden)
