"""The autoencoder made of a VaDE's own networks, and the phase that trains it."""

import warnings
from collections.abc import Sequence

import keras
import numpy as np

from vade_tf.data.sparse import part
from vade_tf.errors import InputError
from vade_tf.model.observation import Reconstruction
from vade_tf.model.vade import VaDE
from vade_tf.training import aside
from vade_tf.training.fitting import Fitting
from vade_tf.training.loop import phase_callbacks, prepare, train_epochs
from vade_tf.training.store import Pretrained, Store, damaged, listed

AUTOENCODER = "autoencoder"  # name of the model of the phase "pretrain"


def pretrain(fitting: Fitting) -> None:
    """Train the deterministic autoencoder made of the model's own networks, x -> decoder(m(x)).

    It ends with the weights of the epoch at which rows set aside were reconstructed best, where there are such rows
    and `settings.patience`. Where the store has the weights of an autoencoder already, they are taken instead.

    Args:
        fitting: its model's encoder and decoder are changed in place.

    Raises:
        DivergedError: the loss is not finite, time and again.
        InputError: the autoencoder in the store is one of other networks.
    """
    if fitting.state is not None and fitting.state.phase != "pretrain":
        return
    settings, networks = fitting.settings, trained_parts(fitting.model)
    autoencoder, loss = build_autoencoder(fitting.model), reconstruction_loss(fitting.model)
    if (weights := kept_weights(fitting.store, "pretrained", networks)) is not None:
        if fitting.state is not None:
            prepare(fitting, "pretrain", autoencoder, loss)  # the random numbers of dropout go on, which are no weights
        set_pretrained(networks, weights)
        return
    if settings.pretrain_epochs != 0:
        done = prepare(fitting, "pretrain", autoencoder, loss)
        span = range(done, settings.pretrain_epochs)
        own = phase_callbacks(fitting, "pretrain", span, span.stop)
        if len(fitting.aside):
            kept = part(fitting.data.rows, fitting.aside)
            own.insert(0, aside.Stop(kept, loss, networks, fitting.store, fitting.rows, settings.patience))
        augmentation = fitting.seen("pretrain")
        batches = fitting.batches("pretrain", span, augmentation=augmentation)
        # the rows as they are are the target
        targets = batches.map(lambda x: (x, x)) if augmentation is None else batches
        if not aside.worn(aside.losses(fitting.rows), settings.patience):
            with warnings.catch_warnings():  # of a model inside of the encoder, log s2 is in the autoencoder, too
                warnings.filterwarnings("ignore", "Gradients do not exist for variables")
                train_epochs(fitting, "pretrain", autoencoder, span, targets, own)
        best = kept_weights(fitting.store, "best", networks) if aside.losses(fitting.rows) else None
        if settings.patience and best is not None:
            set_pretrained(networks, best)
    weights = [weight for network in networks for weight in network.get_weights()]
    epochs = sum(row["phase"] == "pretrain" for row in fitting.rows)
    Pretrained(weights, fitting.aside, fitting.model.likelihood.config(), epochs).save(fitting.store)


def kept_weights(store: Store, name: str, networks: Sequence[keras.layers.Layer]) -> list[np.ndarray] | None:
    """The weights of an autoencoder of these networks that a store has under a name, or None.

    Raises:
        InputError: they are no finite numbers of the types that the networks have.
    """
    kept = store.load(name)
    weights = None if kept is None else listed(kept)
    types = {weight.dtype for network in networks for weight in network.get_weights()}
    if weights is not None and not all(each.dtype in types and np.isfinite(each).all() for each in weights):
        raise damaged(store, name, f"expected finite numbers in {' or '.join(sorted(map(str, types)))}")
    return weights


def trained_parts(model: VaDE) -> list[keras.layers.Layer]:
    """What an autoencoder made of a VaDE has weights in: the networks, and what origins add to their output."""
    return [model.encoder, model.decoder, *([] if model.origins is None else [model.origins])]


def set_pretrained(networks: Sequence[keras.layers.Layer], weights: list[np.ndarray]) -> None:
    """Give networks the weights of a pretrained autoencoder.

    Raises:
        InputError: they are of other shapes.
    """
    have = [weight.shape for network in networks for weight in network.weights]
    if have != [weight.shape for weight in weights]:
        raise InputError("pretrained: the autoencoder kept there has layers of other shapes; give the same networks")
    remaining = iter(weights)
    for network in networks:
        network.set_weights([next(remaining) for _ in network.weights])


def build_autoencoder(model: VaDE) -> keras.Model:
    """The deterministic autoencoder made of a VaDE's own networks: raw x -> decoder(m(x)), shifted as its origin is."""
    told = keras.Input((model.n_features + (model.origins is not None),))
    x = told if model.origins is None else told[:, :-1]
    scaled = x if model.scaling is None else model.scaling(x)
    out = model.decoder(mean_encoder(model)(model.shaped(scaled)))
    flat = out if len(out.shape) == 2 else keras.layers.Flatten(dtype="float32")(out)
    if model.origins is not None:
        flat = model.origins(flat, told[:, -1])
    return keras.Model(told, flat, name=AUTOENCODER)


def reconstruction_loss(model: VaDE) -> Reconstruction:
    """The loss of the autoencoder made of a VaDE; of a class that is known, so that a file of the autoencoder loads."""
    return Reconstruction(model.likelihood, model.scaling, model.n_features)


def mean_encoder(model: VaDE) -> keras.Model:
    """The encoder without its log-variance head: scaled x [n, D] -> m [n, latent]."""
    return keras.Model(model.encoder.inputs, model.encoder.outputs[0])
