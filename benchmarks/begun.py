"""Runs that several commands share: trained once, continued, and not taken for those of other flags."""

import json
import shlex
import sys
from pathlib import Path


def trained(run: Path, flags: list[str]) -> Path:
    """A finished run folder: as it is there, continued, or trained with these flags of train.py.

    The flags are kept beside it. Where it was begun with others the program ends.
    """
    from vade_tf.cli import train

    beside, typed = run.with_name(f".{run.name}.flags"), shlex.join(flags)
    if (run / "config.json").exists():
        if beside.exists() and beside.read_text() != typed:
            sys.exit(f"{run} is of other flags ({beside.read_text()}); remove it, or choose another --out")
    else:
        run.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(typed)
    if not (run / "metrics.json").exists():
        begun = (run / "config.json").exists()
        code = train.main(["--resume", str(run)] if begun else [*flags, "--out", str(run), "--no-export"])
        if code != 0:
            sys.exit(code)
    return run


def has_images(run: Path) -> bool:
    """Whether the rows of a run are images."""
    return json.loads((run / "data.json").read_text()).get("image_shape") is not None
