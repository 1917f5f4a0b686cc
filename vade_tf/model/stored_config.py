"""What the configuration of a stored model may ask Keras for, looked at before Keras makes anything of it.

Keras' safe mode keeps away pickled programs. It still calls by its name whatever Keras exports, with arguments that the
configuration gives: a layer that loads a SavedModel, which may write files as it is loaded, or a function that saves a
picture. So names are held against what networks consist of.
"""

import keras

from vade_tf.errors import InputError

PLAIN = {"float16", "bfloat16", "float32", "float64", "bool", "int8", "int16", "int32", "int64"}
PLAIN |= {"uint8", "uint16", "uint32", "uint64"}
# Where Keras has parts of networks; other places have data sets, pictures, callbacks and files
MODULES = {"activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models"}
MODULES |= {"ops", "optimizers", "quantizers", "random", "regularizers", "src.activations", "src.applications"}
MODULES |= {"src.layers", "src.models", "src.ops", "src.quantizers"}  # by this path Keras gives what it saves alone
BRANDS = {"keras", "keras_hub", "keras_cv", "keras_nlp"}  # packages of which Keras imports what a configuration names
FUNCTIONS = ("builtins", "keras.activations", "keras.initializers", "keras.losses", "keras.metrics", "keras.ops")
MAKERS = ("deserialize", "get", "serialize")  # of objects: Keras has them beside its functions
FOREIGN = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}  # layers that run what is no network
CALLS = 10**5  # of layers, models within models counted as often as they are called


def check(config) -> None:
    """Check a configuration as JSON gives it.

    Raises:
        InputError: it asks for what is no part of a network, for an array that is no plain one, or for models within
            models that would be called for ever.
    """
    _calls(config, {})


def _calls(value, shared: dict) -> int:
    """How many layers are called where a part of a configuration is; raises InputError as `check` does.

    Args:
        value: the part.
        shared: the same of the objects before it, by the numbers under which others name them.
    """
    if isinstance(value, list):
        return sum(_calls(each, shared) for each in value)
    if not isinstance(value, dict):
        return 0
    if "class_name" in value:
        _check_named(value)
    nodes, number = value.get("inbound_nodes"), value.get("shared_object_id")
    if nodes is not None and not _own(value.get("registered_name")) and _has_texts(nodes):
        raise InputError("its configuration calls a layer of Keras with a text")
    inside = sum(_calls(each, shared) for key, each in value.items() if key != "inbound_nodes")
    if isinstance(number, int):
        inside = shared[number] = max(inside, shared.get(number, 0))
    found = inside + _calls(nodes, shared)
    if isinstance(nodes, list):
        found += max(1, inside) * max(1, len(nodes)) - inside
    if found > CALLS:
        raise InputError(f"its configuration calls layers more than {CALLS:,} times")
    return found


def _own(name) -> bool:
    """Whether this is the name of what was registered for Keras, here or by the user: it runs what they wrote."""
    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


def _check_named(value: dict) -> None:
    """Raises InputError unless an object of a configuration may be part of a network."""
    name, module, config = value["class_name"], value.get("module"), value.get("config")
    if not isinstance(name, str):
        raise InputError("its configuration has a class whose name is no text")
    if name in FOREIGN:
        raise InputError(f"its configuration asks for a {name}, which runs what is no network")
    if name in ("__numpy__", "__tensor__"):
        if not isinstance(config, dict) or str(config.get("dtype")) not in PLAIN:
            raise InputError("its configuration asks for an array of no plain numbers")
    elif name == "function":
        maker = not isinstance(config, str) or config.rsplit(".", 1)[-1] in MAKERS
        if (module not in FUNCTIONS or maker) and not _own(config):
            raise InputError(f"its configuration asks for a function of {str(module)[:40]!r}, which is in no network")
    elif isinstance(module, str) and module.split(".")[0] in BRANDS:
        place = module.removeprefix("keras").removeprefix(".")
        known = not place or any(place == part or place.startswith(f"{part}.") for part in MODULES)
        if not (known and name[:1].isupper()) and not _own(value.get("registered_name")):
            raise InputError(f"its configuration asks for {name[:40]!r} of {module[:40]!r}, which is in no network")


def _has_texts(value) -> bool:
    """Whether the arguments of a call hold a text, beside those that describe a tensor."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__" and "config" in value:
            return False
        return any(_has_texts(each) for key, each in value.items() if key not in ("class_name", "dtype"))
    return isinstance(value, str) or (isinstance(value, list) and any(map(_has_texts, value)))
