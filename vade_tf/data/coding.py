"""How rows were coded, as JSON holds it -> the schema that codes others alike: of tables, texts, pictures or genes."""

import json
from collections.abc import Callable
from pathlib import Path

from vade_tf.data.dataset import Coded
from vade_tf.data.genes import Genes
from vade_tf.data.pictures import Pictures
from vade_tf.data.schema import Schema
from vade_tf.data.texts import Texts

FORMS: dict[str, Callable[[dict], Coded]] = {
    "table": Schema.from_dict,
    "texts": Texts.from_dict,
    "pictures": Pictures.from_dict,
    "genes": Genes.from_dict,
}


def read(file: Path) -> Coded:
    """The schema that a JSON file holds.

    Raises:
        ValueError: it holds none.
    """
    return coded(json.loads(file.read_text("utf-8")))


def coded(values: dict) -> Coded:
    """The schema whose `to_dict` gave these values, which may come from anywhere.

    Raises:
        ValueError: none has such values.
    """
    form = values.get("form") if isinstance(values, dict) else None
    if not isinstance(form, str) or form not in FORMS:
        raise ValueError(f"form: expected one of {', '.join(FORMS)}, got {str(form)[:40]!r}")
    return FORMS[form](values)
