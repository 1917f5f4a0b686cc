"""What the configuration of a stored model may ask Keras for, looked at before Keras makes anything of it.

Keras' safe mode keeps away pickled programs. It still calls by its name whatever Keras exports, with arguments that the
configuration gives: a layer that loads a SavedModel, which may write files as it is loaded, or a function that saves a
picture. So names are held against what networks consist of.
"""

import inspect
import math
from collections.abc import Iterator

import keras

from vade_tf.errors import InputError
from vade_tf.model.tracing import CALLS

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
LARGEST = 10**7  # of the whole numbers that may be sizes, and of the numbers that Keras makes beside weights
NO_SIZES = {  # names of whole numbers that may be large
    *("arguments", "bin_boundaries", "boundaries", "mask_value", "max_value", "mean", "min_value", "nan", "neginf"),
    *("offset", "posinf", "salt", "scale", "value", "variance", "vocabulary", "x_max", "x_min"),
}
LOOPS = ("bins", "chain_depth", "indices_or_sections", "num", "num_chains", "num_ops", "power_iterations")  # in Python


def check(config) -> None:
    """Check a configuration as JSON gives it.

    Raises:
        InputError: it asks for what is no part of a network, for an array that is no plain one, for arrays that Keras
            would make without a weight, or for models within models that would be called for ever.
    """
    constants = 0
    shared: dict[int, list[dict]] = {}
    for part in _objects(config):
        _check_named(part)
        if "shared_object_id" in part:
            number = part["shared_object_id"]
            if type(number) is not int:  # Keras takes 1.0 and true for 1, and texts too
                raise InputError("its configuration has a shared_object_id that is no whole number")
            shared.setdefault(number, []).append(part)
        if not _registered(part):
            _check_sizes(part)
            constants += _constants(part)
    if constants > LARGEST:
        raise InputError(f"its configuration has layers of more than {LARGEST:,} constants")
    _calls(config, shared, {})


def _objects(value) -> Iterator[dict]:
    """The objects of a configuration, those within others too."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)


def _calls(value, shared: dict[int, list[dict]], known: dict[int, int]) -> int:
    """How many layers are called where a part of a configuration is; raises InputError as `check` does.

    Args:
        value: the part.
        shared: objects by the numbers under which others name them, all that have one: Keras makes the one that it
            meets first, which need not be the first in the file.
        known: how many are called in those that were counted; too many while one is, which would be inside itself.
    """
    if isinstance(value, list):
        return sum(_calls(each, shared, known) for each in value)
    if not isinstance(value, dict):
        return 0
    nodes, number = value.get("inbound_nodes"), value.get("shared_object_id")
    if nodes is not None and not _registered(value):
        if _has_texts(nodes):
            raise InputError("its configuration calls a layer of Keras with a text")
        if isinstance(nodes, list) and not all(map(_has_tensors, nodes)):
            raise InputError("its configuration calls a layer of Keras without a tensor, which computes at once")
    if "class_name" in value and number in shared:
        if number not in known:
            known[number] = CALLS + 1
            known[number] = max(_inside(each, shared, known) for each in shared[number])
        inside = known[number]
    else:
        inside = _inside(value, shared, known)
    found = inside + _calls(nodes, shared, known)
    if isinstance(nodes, list):
        found += max(1, inside) * max(1, len(nodes)) - inside
    if found > CALLS:
        raise InputError(f"its configuration calls layers more than {CALLS:,} times")
    return found


def _inside(value: dict, shared: dict[int, list[dict]], known: dict[int, int]) -> int:
    return sum(_calls(each, shared, known) for key, each in value.items() if key != "inbound_nodes")


def _own(name) -> bool:
    """Whether this is the name of what was registered for Keras, here or by the user: it runs what they wrote."""
    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


def _registered(part: dict) -> bool:
    """Whether Keras makes this object by a name that was registered: without a module it goes by the class alone."""
    return "module" in part and _own(part.get("registered_name"))


def _has_own_function(config) -> bool:
    """Whether a Lambda's function is one that was registered for Keras, no program in the file."""
    function = config.get("function") if isinstance(config, dict) else None
    if not isinstance(function, dict) or function.get("class_name") != "function":
        return False
    name = function.get("config")
    return isinstance(name, str) and inspect.isfunction(keras.saving.get_registered_object(name))


def _check_named(value: dict) -> None:
    """Raises InputError unless an object of a configuration may be part of a network."""
    name, module, config = value["class_name"], value.get("module"), value.get("config")
    if not isinstance(name, str):
        raise InputError("its configuration has a class whose name is no text")
    own = _registered(value)
    if name in FOREIGN and not own and not (name == "Lambda" and _has_own_function(config)):
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
        if not (known and name[:1].isupper()) and not own:
            raise InputError(f"its configuration asks for {name[:40]!r} of {module[:40]!r}, which is in no network")


def _check_sizes(value: dict) -> None:
    """Raises InputError where an object of Keras is to be of a size that no network has."""
    for key, each in value.items():
        if key not in ("inbound_nodes", "shared_object_id") and max(_sizes(each), default=0) > LARGEST:
            raise InputError(f"its configuration has a whole number above {LARGEST:,} as a size")
    config = value.get("config")
    if isinstance(config, dict) and any(type(config.get(name)) is int and config[name] > CALLS for name in LOOPS):
        raise InputError(f"its configuration has a layer that loops more than {CALLS:,} times")
    if value["class_name"] == "Pipeline" and any(map(_loops, _objects(config))):  # traced as soon as it is called
        raise InputError("its configuration has a Pipeline of layers that loop in Python")


def _loops(value: dict) -> bool:
    config = value.get("config")
    return value["class_name"] == "TimeDistributed" or (isinstance(config, dict) and config.get("unroll") is True)


def _sizes(value, within: bool = False) -> Iterator[int]:
    """The whole numbers of a part that may be sizes, without those of objects within it."""
    if isinstance(value, dict) and not (within and "class_name" in value):
        sizes = (key not in NO_SIZES and not key.endswith(("seed", "steps")) for key in value)
        value = [each for each, size in zip(value.values(), sizes, strict=True) if size]
    if isinstance(value, list):
        for each in value:
            yield from _sizes(each, True)
    elif type(value) is int:
        yield value


def _constants(value: dict) -> int:
    """How many numbers Keras makes of an object beside weights: the means of a Normalization that is given them.

    Raises:
        InputError: that is not known, or it is a layer of states, which are of a batch.
    """
    config, built = value.get("config"), value.get("build_config")
    if not isinstance(config, dict):
        return 0
    if config.get("stateful"):
        raise InputError("its configuration has a layer that keeps states from batch to batch")
    if value["class_name"] != "Normalization" or config.get("mean") is None:
        return 0
    shape = built.get("input_shape") if isinstance(built, dict) and "module" in value else None
    if not isinstance(shape, list):
        raise InputError("its configuration has a Normalization without the shape of its input")
    return math.prod(size for size in shape if type(size) is int)


def _has_tensors(value) -> bool:
    """Whether a tensor is among the arguments of a call: without one Keras computes what it else describes."""
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return value["class_name"] == "__keras_tensor__"
        value = list(value.values())
    return isinstance(value, list) and any(map(_has_tensors, value))


def _has_texts(value) -> bool:
    """Whether the arguments of a call hold a text, beside those that describe a tensor."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__" and "config" in value:
            return False
        return any(_has_texts(each) for key, each in value.items() if key not in ("class_name", "dtype"))
    return isinstance(value, str) or (isinstance(value, list) and any(map(_has_texts, value)))
