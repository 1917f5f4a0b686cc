"""The files of an evaluation: report.html and figures/ of one run, comparison.png of several; where they may go.

The page is written before the figures, which it holds too: by it a folder of ours is told from somebody else's.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vade_tf.errors import InputError, StorageError
from vade_tf.report import page
from vade_tf.report.evaluation import Evaluation
from vade_tf.storage import write_whole, writing


def prepare(out: Path, runs: Sequence[Path], argument: str = "") -> None:
    """Make a folder for what `write` of one run, or `write_comparison` of several, is to write.

    Args:
        out: the folder.
        runs: folders of the runs that are evaluated.
        argument: that gave its name, if one did.

    Raises:
        InputError: it is a file, or has files of somebody else where those of a report would go.
        StorageError: it cannot be made, or nothing can be written into it.
        ModuleNotFoundError: matplotlib, which draws, is not installed.
    """
    from vade_tf.report import figures  # said before the work, and not where nothing is drawn

    several = len(runs) > 1
    with writing(out, argument):
        if out.is_file():
            raise InputError(f"out: {out} is a file; choose a folder")
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    file = out / ("comparison.png" if several else "report.html")
    if file.is_dir():
        raise StorageError(f"{file} cannot be written (it is a folder); move it away")
    if several:
        return
    place = out / "figures"
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        kind = "it is a link" if place.is_symlink() else "it is no folder"
        raise StorageError(f"{place} cannot be written ({kind}); move it away")
    if out.resolve() == runs[0].resolve() or (file.is_file() and b"Made with vade_tf " in file.read_bytes()):
        return
    for own in (file, *(place / f"{name}.png" for name in figures.CAPTIONS)):
        if own.exists():
            raise InputError(f"out: {own} is there, and of no report of vade_tf; choose another folder, or move it")


def write(evaluated: Evaluation, out: Path, command: str) -> Path:
    """report.html and figures of one run into a folder that `prepare` took, in place of all of an earlier report.

    Returns:
        The page's path.
    """
    from vade_tf.report import figures
    from vade_tf.report.contrast import feature_names
    from vade_tf.report.drawing import png, unshown
    from vade_tf.report.image_figures import card_images

    subject = (evaluated.model, evaluated.dataset, evaluated.found)
    drawn = figures.draw(*subject, evaluated.result, evaluated.history)
    with unshown(feature_names(evaluated.dataset), "report.html has them"):
        pictures = [(picture.name, picture.caption, png(picture.figure)) for picture in drawn]
    settings = asdict(evaluated.run.config)
    cards = card_images(evaluated.dataset, evaluated.found.groups, evaluated.result["clusters"], evaluated.numbers)
    text = page.page(evaluated.result, settings, evaluated.training, pictures, command, cards)
    write_whole(out / "report.html", text.encode())
    with writing(out / "figures"):
        (out / "figures").mkdir(exist_ok=True)
        for name in figures.CAPTIONS:  # of other rows perhaps, and not all of them are drawn now
            (out / "figures" / f"{name}.png").unlink(missing_ok=True)
    for name, _, content in pictures:
        write_whole(out / "figures" / f"{name}.png", content)
    return out / "report.html"


def write_comparison(results: dict[str, dict], histories: dict[str, list[dict]], out: Path) -> Path:
    """The figure of several runs, by name, into a folder; returns its path."""
    from vade_tf.report.course_figures import comparison
    from vade_tf.report.drawing import png, unshown

    file = out / "comparison.png"
    with unshown(list(results), "the table has them"):
        write_whole(file, png(comparison(results, histories)))
    return file
