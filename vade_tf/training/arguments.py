"""What a fit is given besides its rows, checked: store, reporter, callbacks, settings beside the caller's networks."""

import reprlib
from collections.abc import Iterable

import keras
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model.vade import VaDE
from vade_tf.training.settings import Settings
from vade_tf.training.store import Store


def check(settings, store, reporter) -> None:
    """Raises InputError where one of them is of another kind, or where the fit stands among devices of the caller's."""
    if not isinstance(settings, Settings):
        raise InputError(f"settings: expected Settings(clusters=...), got {reprlib.repr(settings)}")
    if beside := settings.of_runs():
        raise InputError(
            f"settings: expected Settings(...), got {type(settings).__name__} with {beside}, which a fit of rows does "
            "not read; use vade_tf.train, or leave it out"
        )
    if isinstance(store, type):
        raise InputError(f"store: expected an object, such as Memory(), got the class {store.__name__}")
    if not isinstance(store, Store | None):
        raise InputError(f"store: expected an object with save, load, place and save_rows, got {reprlib.repr(store)}")
    told = isinstance(reporter, type) or not all(hasattr(reporter, name) for name in ("say", "phase"))
    if reporter is not None and told:
        raise InputError(f"reporter: expected one such as Lines(), got {reprlib.repr(reporter)}")
    strategy = tf.distribute.get_strategy()
    if tf.distribute.has_strategy() and not isinstance(strategy, tf.distribute.OneDeviceStrategy):
        raise InputError(
            f"distribute: expected a fit outside of strategy.scope(), got one inside that of "
            f"{type(strategy).__name__}; leave it, and say distribute='mirrored' or 'multiworker'"
        )


def checked_callbacks(callbacks) -> list[keras.callbacks.Callback]:
    """The caller's callbacks as a list.

    Raises:
        InputError: they are none, or one that would have no effect.
    """
    callbacks = () if callbacks is None else callbacks
    if isinstance(callbacks, str) or not isinstance(callbacks, Iterable):
        raise InputError(f"callbacks: expected a list of them, got {reprlib.repr(callbacks)}")
    callbacks = list(callbacks)  # a generator would be used up by the check
    if not all(isinstance(each, keras.callbacks.Callback) for each in callbacks):
        raise InputError(f"callbacks: expected keras.callbacks.Callback objects, got {reprlib.repr(callbacks)}")
    if any(isinstance(each, keras.callbacks.ReduceLROnPlateau) for each in callbacks):
        raise InputError(
            "callbacks: expected none that sets the rate after an epoch, got ReduceLROnPlateau, which has no effect "
            "beside the schedule; leave it out"
        )
    return callbacks


def check_beside_networks(settings: Settings, model: VaDE) -> None:
    """Raises InputError where settings ask for something else than the caller's networks are, of which a model is."""
    width, default = model.prior.latent_dim, Settings.__dataclass_fields__["latent_dim"].default
    if settings.latent_dim not in (default, width):
        raise InputError(
            f"latent_dim: expected {width}, the width of the code of networks of your own, got {settings.latent_dim}; "
            "leave it out"
        )
    found = {layer.compute_dtype for network in (model.encoder, model.decoder) for layer in network._flatten_layers()}
    if settings.precision != "auto" and keras.DTypePolicy(settings.precision).compute_dtype not in found:
        raise InputError(
            f"precision: expected 'auto' beside networks of your own, which compute in {', '.join(sorted(found))}, got "
            f"{settings.precision!r}; leave it out"
        )
