"""A folder of images -> rows of grey values or colours, all of one size; Pillow reads them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vade_tf.errors import InputError, cited
from vade_tf.machine import check_memory

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".jfif")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # by content; of others, some start programs
GREY = ("1", "L", "LA", "La")  # modes of grey images; so are those that begin with
DEEP = ("I", "F")  # these: I;16, ...
DIM = 64  # grey levels of 256: if images of more bits have fewer left, what is on them may be lost
LARGEST = 1 << 26  # pixels of an image
SYSTEMS = ("lost+found", "System Volume Information", "$RECYCLE.BIN")  # folders at the root of a disk, mostly closed
NAMED = 8  # kinds of other files
LARGE = 1 << 14  # pixels of images that had better be smaller
RUN_LENGTHS = (1, 2)  # how a .bmp may be packed; Pillow takes its word for how many rows are left out
ORIENTATION = 0x0112  # of EXIF: how a camera was held
UPRIGHT = {  # its values beside 1 -> what sets an image upright, a name of `PIL.Image.Transpose`
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
TURNED = range(5, 9)  # those of images that lie on their side


@dataclass(frozen=True)
class Pictures:
    """The size that images are brought to, and their channels.

    Attributes:
        height, width: in pixels.
        channels: 1 for grey, 3 for colour.
        changes: what was done to bring the images of a folder there, or left out, a sentence each.
    """

    kind: ClassVar[str] = "images"
    height: int
    width: int
    channels: int
    changes: tuple[str, ...] = ()

    @property
    def features(self) -> list[str]:
        places = np.ndindex(*self.shape) if self.channels > 1 else np.ndindex(self.height, self.width)
        return ["pixel " + ",".join(map(str, place)) for place in places]

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        return (("gaussian", self.height * self.width * self.channels),)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def describe(self) -> list[str]:
        kind = "grey" if self.channels == 1 else "colour"
        return ["; ".join([f"{kind} images of {self.height} x {self.width} pixels", *self.changes])]

    def to_dict(self) -> dict:
        return {"form": "pictures", "height": self.height, "width": self.width, "channels": self.channels}

    @classmethod
    def from_dict(cls, values: dict) -> "Pictures":
        """Raises ValueError where no `to_dict` gave these values."""

        def side(value) -> bool:
            return type(value) is int and 0 < value <= LARGEST

        sides = values["height"], values["width"]
        if not all(map(side, sides)) or sides[0] * sides[1] > LARGEST or values["channels"] not in (1, 3):
            raise ValueError("expected height, width and channels")
        return cls(values["height"], values["width"], values["channels"])


def read_folder(folder: Path, known: Pictures | None) -> tuple[np.ndarray, np.ndarray, Pictures]:
    """The images of a folder and the folders in it, in the order of their names.

    Args:
        folder: with all folders in it, also those that links lead to; other files in it are left alone.
        known: size and channels to bring them to; None: the size that all have, or the median height and width, and
            grey where all are grey.

    Returns:
        uint8 [n, height, width, channels], the name of each [n], and what they were brought to.

    Raises:
        InputError: Pillow is not installed, there is no image, one cannot be read, or they are the figures of a run.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("data: a folder of images needs Pillow; pip install 'vade-tf[files]' brings it") from error
    runs = [file.parent for pattern in ("data.json", "*/data.json") for file in folder.glob(pattern)]
    if any((run / "config.json").is_file() for run in runs):
        raise InputError(
            f"data: expected rows, got {folder}, which holds a run and its figures; give the run's own data"
        )
    there = sorted(_files(folder))
    files = [file for file in there if file.suffix.lower() in KINDS]
    others = sorted({file.suffix.lower() or file.name for file in there} - set(KINDS))
    more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    if not files:
        raise InputError(f"data: expected images ({', '.join(KINDS)}) in {folder}, found none{_instead(folder)}")
    sizes, grey, coloured, several, deep, brightest = [], True, 0, 0, 0, 0
    for file in files:
        with _opened(Image, file) as image:
            sides = (image.height, image.width)
            sizes.append(sides[::-1] if _orientation(image) in TURNED else sides)
            grey = grey and (image.mode in GREY or image.mode.startswith(DEEP))
            several += bool(getattr(image, "is_animated", False))  # to count them costs the square of them
    height, width = (int(side) for side in np.median(sizes, axis=0))
    size = (height, width) if known is None else (known.height, known.width)
    channels = known.channels if known is not None else 1 if grey else 3
    try:
        check_memory(len(files) * size[0] * size[1] * channels, f"{len(files):,} images of {size[0]} x {size[1]}")
    except ValueError as error:
        raise InputError(f"data: {folder}: {error}; make them smaller") from error
    x = np.empty((len(files), *size, channels), np.uint8)
    for row, file in enumerate(files):
        with _opened(Image, file) as image:
            turn = UPRIGHT.get(_orientation(image))
            upright = image if turn is None else image.transpose(Image.Transpose[turn])
            x[row] = _pixels(Image, upright, size, channels, file)
            coloured += known is not None and channels == 1 and _in_colour(upright)
            if image.mode.startswith(DEEP):
                deep, brightest = deep + 1, max(brightest, int(x[row].max()))
    if known is None and deep == len(files) and brightest == 0:
        raise InputError(
            f"data: expected images of 16 bits that are not black, got {folder}, whose values are below 257, which is "
            "no grey of 256 levels; multiply the values of all by one number, so that the brightest are near 65,535"
        )
    if known is None and channels == 3 and (x == x[..., :1]).all():  # grey, stored as colour
        x, channels = x[..., :1], 1
    names = np.array([_printable(file.relative_to(folder).as_posix()) for file in files])
    resized = sum(one != size for one in sizes)
    home = os.path.realpath(folder)
    away = [file for file in files if not Path(os.path.realpath(file)).is_relative_to(home)]
    changes = (
        (resized, f"{resized:,} of another size were brought to {size[0]} x {size[1]}"),
        (coloured, f"{coloured:,} in colour were made grey"),
        (
            deep if brightest + 1 < DIM else 0,
            f"{deep:,} of more than 8 bits are dark: at most {brightest + 1} grey levels are left of them; to keep "
            "more, train on images whose values were all multiplied by one number, and multiply new ones by the same",
        ),
        (several, f"of {several:,} that hold several images the first one was read"),
        (away, f"{len(away):,} are read by links from other folders, as {_printable(away[0].name) if away else ''}"),
        (others, f"files of other kinds were left out: {', '.join(others[:NAMED])}{more}"),
    )
    return x, names, Pictures(*size, channels, tuple(text for done, text in changes if done))


def _files(folder: Path) -> Iterator[Path]:
    """All files of a folder and of those in it, each folder once, wherever links lead; none hidden or of a system.

    Links that lead nowhere are among them: what reads an image refuses one by its name.
    """
    been = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"data: cannot look into {error.filename} ({cited(error)}); make it readable, or move it away")

    for root, inside, names in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(root).stat()
        if (here.st_dev, here.st_ino) in been:
            inside.clear()
            continue
        been.add((here.st_dev, here.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith(".") and name not in SYSTEMS)
        files = (Path(root) / name for name in names if not name.startswith("."))
        yield from (file for file in files if file.is_file() or not file.exists())


def _instead(folder: Path) -> str:
    """What to do with a folder that holds no images but what other programs write into one; "" for any other."""
    if any(folder.glob("*.parquet")):
        return "; join its tables, pandas.read_parquet(folder).to_parquet('one.parquet'), and give that"
    if any(folder.glob("matrix.mtx*")):
        return "; give Cell Ranger's .h5, or what scanpy.read_10x_mtx(folder).write('cells.h5ad') leaves"
    return ""


def folders(names: np.ndarray, folder: Path) -> np.ndarray:
    """The label of each image where those of a label lie in a folder of its own: text [n].

    Args:
        names: as `read_folder` gives them, [n].
        folder: what an error names.

    Raises:
        InputError: an image lies in no such folder.
    """
    parts = [name.split("/") for name in names.tolist()]
    if loose := [name for name, *deeper in parts if not deeper]:
        raise InputError(f"labels: expected every image in a folder of its label, got {loose[0]!r} in {folder} itself")
    return np.array([part[0] for part in parts])


def _printable(name: str) -> str:
    """The name of a file, its bytes that are no UTF-8 as escapes, such as \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def _opened(pillow, file: Path) -> Iterator[Any]:
    """An image whose header was read.

    Raises:
        InputError: its size would harm, or it cannot be read, at once or by what is inside.
    """
    try:
        with pillow.open(file, formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise InputError(
                    f"data: expected images of at most {LARGEST:,} pixels, got {image.size} in {file}; remove it"
                )
            if image.format == "BMP" and image.info.get("compression") in RUN_LENGTHS:
                raise InputError(f"data: {file} is a packed .bmp, which may claim rows without end; save it as .png")
            yield image
    except InputError:
        raise
    except Exception as error:  # Pillow's readers have no common error
        raise InputError(f"data: {file} cannot be read as an image ({cited(error)}); remove it") from error


def _deep(image, file: Path) -> np.ndarray:
    """Grey values of 16 bits and more as bytes [height, width]: all on one scale, whatever the brightest is.

    Raises:
        InputError: what is white cannot be told: numbers that are no bytes, or too small or large for 16 bits.
    """
    values = np.asarray(image, np.float64)
    real = image.mode.startswith("F")
    white, least = (255, 1) if real else (65535, 255)  # an image of at most `least` has another scale
    of_16_bits = not real and (image.mode != "I" or image.format != "TIFF")
    low, high = values.min(initial=0), values.max(initial=0)
    if not of_16_bits and not (0 <= low <= high <= white and (high == 0 or high > least)):
        raise InputError(
            f"data: expected an image of 8 or 16 bits, or values up to {white}, the largest above {least}, got "
            f"{'real' if real else 'whole'} numbers from {low:g} to {high:g} in {file}; save it with 8 or 16 bits"
        )
    return (np.clip(values, 0, white) * (255 / white)).astype(np.uint8)


def _in_colour(image) -> bool:
    """Whether an image has colours; one of grey values may be stored with three channels or a palette, too."""
    if image.mode in GREY or image.mode.startswith(DEEP):
        return False
    colours = np.asarray(image.convert("RGB"))
    return bool((colours != colours[..., :1]).any())


def _orientation(image) -> int:
    """How an image is stored, as EXIF says; 1, upright, where nothing is said, or nothing that can be read.

    Pillow turns a TIFF itself.
    """
    if image.format == "TIFF":
        return 1
    if image.format == "PNG":
        image.load()  # where it is said behind the pixels, `getexif` loads them, and damaged ones would be let pass
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's reader of EXIF has no common error, and viewers show such an image as it is
        return 1


def _pixels(pillow, image, size: tuple[int, int], channels: int, file: Path) -> np.ndarray:
    """An image as bytes [height, width, channels]."""
    if image.mode.startswith(DEEP):
        image = pillow.fromarray(_deep(image, file))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = pillow.new("RGBA", image.size, "white")
        image = pillow.alpha_composite(paper, image)  # what is drawn may lie in the transparency alone
    image = image.convert("L" if channels == 1 else "RGB")
    if (image.height, image.width) != size:
        image = image.resize(size[::-1])
    return np.asarray(image).reshape(*size, channels)
