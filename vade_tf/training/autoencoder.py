"""The autoencoder made of a VaDE's own networks, and the phase that trains it."""

import math
import warnings
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data.rows import part
from vade_tf.model.observation import Reconstruction
from vade_tf.model.vade import VaDE
from vade_tf.training import validation
from vade_tf.training.fitting import Fitting
from vade_tf.training.loop import phase_callbacks, prepare, train_epochs
from vade_tf.training.store import Pretrained, epochs_done, listed

AUTOENCODER = "autoencoder"  # name of the model of the phase "pretrain"


def pretrain(fitting: Fitting) -> None:
    """Train the deterministic autoencoder made of the model's own networks in place, x -> decoder(m(x)).

    It ends with the weights of the epoch at which validation rows were reconstructed best, where there are such rows
    and `settings.patience`. Where the store has the weights of an autoencoder already, they are taken instead.

    Raises:
        DivergedError: the loss is not finite, time and again.
    """
    if fitting.state is not None and fitting.state.phase != "pretrain":
        return
    networks, loss = trained_parts(fitting.model), reconstruction_loss(fitting.model)
    autoencoder = build_autoencoder(fitting.model)
    if (arrays := fitting.store.load("pretrained")) is not None:
        if fitting.state is not None:
            prepare(fitting, "pretrain", autoencoder, loss)  # the random numbers of dropout go on, which are no weights
        set_pretrained(networks, listed(arrays))
        return
    if fitting.settings.pretrain_epochs != 0:
        _train(fitting, autoencoder, loss, networks)
    weights = [weight for network in networks for weight in network.get_weights()]
    config = fitting.model.likelihood.config()
    Pretrained(weights, fitting.validation, config, epochs_done(fitting.rows, "pretrain")).save(fitting.store)


def _train(fitting: Fitting, autoencoder: keras.Model, loss, networks: Sequence[keras.layers.Layer]) -> None:
    settings = fitting.settings
    patience = math.ceil(settings.patience / settings.pretrain_interval)  # in blocks, each of which is validated once
    span = range(prepare(fitting, "pretrain", autoencoder, loss), settings.pretrain_epochs)
    own = phase_callbacks(fitting, "pretrain", span, span.stop)
    if len(fitting.validation):
        rows = part(fitting.data.rows, fitting.validation)
        own.insert(0, validation.Stop(rows, loss, networks, fitting.store, fitting.rows, patience))
    augmentation = fitting.augmentation("pretrain")

    def batches(epochs: range) -> tf.data.Dataset:
        rows = fitting.batches("pretrain", epochs, augmentation=augmentation)
        if fitting.sample_weight is not None:
            return rows.map(lambda x, weight: (*(x if isinstance(x, tuple) else (x, x)), weight))
        return rows.map(lambda x: (x, x)) if augmentation is None else rows  # the rows as they are

    if not validation.worn(validation.losses(fitting.rows), patience):
        with warnings.catch_warnings():  # of a model inside of the encoder, log s2 is in the autoencoder, too
            warnings.filterwarnings("ignore", "Gradients do not exist for variables")
            train_epochs(fitting, "pretrain", autoencoder, span, batches, own)
        if validation.worn(validation.losses(fitting.rows), patience):
            done = epochs_done(fitting.rows, "pretrain")
            fitting.reporter.say(f"autoencoder: the validation loss falls no more; stopped after {done} epochs")
    if patience and validation.losses(fitting.rows) and (best := fitting.store.load("best")) is not None:
        set_pretrained(networks, listed(best))


def trained_parts(model: VaDE) -> list[keras.layers.Layer]:
    """What an autoencoder made of a VaDE has weights in: the networks, and what batch effects add to their output."""
    return [model.encoder, model.decoder, *([] if model.batch_effects is None else [model.batch_effects])]


def set_pretrained(networks: Sequence[keras.layers.Layer], weights: list[np.ndarray]) -> None:
    """Give networks the weights of a pretrained autoencoder; Keras raises a ValueError for those of others."""
    remaining = iter(weights)
    for network in networks:
        network.set_weights([next(remaining) for _ in network.weights])


def build_autoencoder(model: VaDE) -> keras.Model:
    """The deterministic autoencoder made of a VaDE's own networks: raw x -> decoder(m(x)), with its batch effect."""
    rows = keras.Input((model.n_features + (model.batch_effects is not None),))
    x = rows if model.batch_effects is None else rows[:, :-1]
    scaled = x if model.scaling is None else model.scaling(x)
    out = model.decoder(mean_encoder(model)(model.shaped(scaled)))
    flat = out if len(out.shape) == 2 else keras.layers.Flatten(dtype="float32")(out)
    if model.batch_effects is not None:
        flat = model.batch_effects(flat, rows[:, -1])
    return keras.Model(rows, flat, name=AUTOENCODER)


def reconstruction_loss(model: VaDE) -> Reconstruction:
    """The loss of the autoencoder made of a VaDE, which a file of it loads."""
    return Reconstruction(model.likelihood, model.scaling, model.n_features)


def mean_encoder(model: VaDE) -> keras.Model:
    """The encoder without its log-variance head: scaled x [n, D] -> m [n, latent]."""
    return keras.Model(model.encoder.inputs, model.encoder.outputs[0])
