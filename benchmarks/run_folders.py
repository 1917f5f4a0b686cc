"""Runs that several commands share: trained once, continued, and not taken for those of other flags."""

import json
import shlex
import sys
from pathlib import Path

BEGUN = ("config.json", "restarts.json")  # of a run, of several that one is chosen from


def claim(run: Path, typed: str) -> bool:
    """Whether a run folder was begun already; how it is begun is kept beside it.

    Where it was begun otherwise the program ends.
    """
    beside, begun = run.with_name(f".{run.name}.flags"), any((run / name).exists() for name in BEGUN)
    if begun and beside.exists() and beside.read_text() != typed:
        sys.exit(f"{run} is of other flags ({beside.read_text()}); remove it, or choose another --out")
    if not begun:
        run.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(typed)
    return begun


def trained(run: Path, flags: list[str], commit: str = "") -> Path:
    """A finished run folder: as it is there, continued, or trained with these flags of train.py, see `claim`.

    One that was begun at another `commit` is as one of other flags.
    """
    from vade_tf.cli import train

    begun = claim(run, shlex.join(flags) + (f" at {commit}" if commit else ""))
    if not (run / "metrics.json").exists():
        code = train.main(["--resume", str(run)] if begun else [*flags, "--out", str(run), "--no-export"])
        if code != 0:
            sys.exit(code)
    return run


def has_images(run: Path) -> bool:
    """Whether the rows of a run are images."""
    return json.loads((run / "data.json").read_text()).get("image_shape") is not None
