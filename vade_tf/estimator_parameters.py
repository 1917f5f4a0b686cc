"""What the parameters of a clusterer say to a fit: settings, callbacks and networks; and errors with their names."""

import re
import reprlib
from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral

import keras
from sklearn.utils import check_random_state

from vade_tf.errors import InputError, cited
from vade_tf.model.networks import check_apart, set_all
from vade_tf.seeding import Stream, fold
from vade_tf.training.settings import Settings

NAMES = {
    "clusters": "n_clusters",
    "seed": "random_state",
    "transform": "column_transform",
}  # of a setting -> of the parameter


def settings_of(clusterer) -> Settings:
    """The settings of its fit, with a seed where it has none."""
    names = [each.name for each in fields(Settings) if hasattr(clusterer, each.name)]  # a subclass may fix some
    named = {name: getattr(clusterer, name) for name in names}
    random = clusterer.random_state
    seed = int(random) if isinstance(random, Integral) else int(check_random_state(random).randint(2**31 - 1))
    if 2**31 <= seed < 2**32:  # which scikit-learn takes
        seed = fold(seed)
    if own_start(clusterer) is not None:
        named["init"] = None
    return Settings(clusters=clusterer.n_clusters, seed=seed, **named)


def own_start(clusterer):
    """The start that is the caller's own, a clusterer, a function or an array; None where `init` is a name."""
    init = getattr(clusterer, "init", None)
    return None if isinstance(init, str) else init


def callbacks_of(clusterer) -> Sequence[keras.callbacks.Callback]:
    """The caller's callbacks, none by default."""
    if isinstance(clusterer.callbacks, keras.callbacks.Callback):
        raise InputError("callbacks: expected a list of Keras callbacks, got one of them; put it into a list")
    return clusterer.callbacks or ()


def networks_of(clusterer, seed: int) -> tuple[keras.Model, keras.Model] | None:
    """Copies of the caller's networks, so that every fit starts from the weights they were given with.

    A layer such as dropout has random numbers of its own, which Keras seeds anew in each copy: here by the seed.
    """
    if (clusterer.encoder is None) != (clusterer.decoder is None):
        raise InputError("encoder and decoder: expected both or none of them, got one")
    if clusterer.encoder is None:
        return None
    for name, network in (("encoder", clusterer.encoder), ("decoder", clusterer.decoder)):
        if not isinstance(network, keras.Model):
            raise InputError(f"{name}: expected a functional keras.Model, got {reprlib.repr(network)}")
    check_apart(clusterer.encoder, clusterer.decoder)
    copies = []
    for name, network in (("encoder", clusterer.encoder), ("decoder", clusterer.decoder)):
        copies.append(copied(network, name))
        states = [each for each in copies[-1].variables if each.path.endswith("seed_generator_state")]
        for number, state in enumerate(states):
            state.assign([fold(seed, Stream.OWN_LAYERS, len(copies), number), 0])
    return copies[0], copies[1]


def copied(network: keras.Model, argument: str) -> keras.Model:
    """A copy of a network, with its weights.

    Raises:
        InputError: Keras cannot copy a layer of it; what it advises then is about files, and left out.
    """
    try:
        copy = keras.models.clone_model(network)
        set_all(copy, network.get_weights())
    except Exception as error:  # also of the caller's own layers
        why = re.split(r"\. | using config=", cited(error))[0]
        raise InputError(
            f"{argument}: expected a network that Keras can copy, which fails ({why}); give its layers a get_config, a "
            "registered function for a lambda, or use vade_tf.fit(networks=), which trains the network itself"
        ) from error
    return copy


def translated(message: str) -> str:
    """A message with the names of the clusterer's parameters."""
    for name, parameter in NAMES.items():
        message = message.replace(f"{name}:", f"{parameter}:", 1) if message.startswith(f"{name}:") else message
    return message.replace("use clusters=", "use n_clusters=").replace("give clusters ", "give n_clusters ")
