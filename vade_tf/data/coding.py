"""How rows were coded, as JSON holds it -> the schema that codes others alike: of tables, texts, images or genes."""

import json
from collections.abc import Callable
from pathlib import Path

from vade_tf.data.dataset import Coded
from vade_tf.data.genes import Genes
from vade_tf.data.images import ImageForm
from vade_tf.data.schema import Schema
from vade_tf.data.texts import Texts

FORMS: dict[str, Callable[[dict], Coded]] = {
    "table": Schema.from_dict,
    "texts": Texts.from_dict,
    "pictures": ImageForm.from_dict,
    "genes": Genes.from_dict,
}


def read(file: Path) -> Coded:
    """The schema that a JSON file holds."""
    return coded(json.loads(file.read_text("utf-8")))


def coded(values: dict) -> Coded:
    """The schema whose `to_dict` gave these values.

    Raises:
        KeyError, TypeError, ValueError: none has such values.
    """
    return FORMS[values["form"]](values)
