"""A folder of images -> rows of grey values or colours, all of one size; Pillow reads them."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from vade_tf.errors import InputError, cited

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # by content; of others, some start programs
DEEP_MODES = ("I", "F")  # of Pillow, or what begins with these: I;16, ...


@dataclass(frozen=True)
class ImageForm:
    """The size that images are brought to, in pixels, and their channels: 1 for grey, 3 for colour."""

    kind: ClassVar[str] = "images"
    height: int
    width: int
    channels: int

    @property
    def features(self) -> list[str]:
        return ["pixel " + ",".join(map(str, place)) for place in np.ndindex(*self.shape)]

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        return (("gaussian", math.prod(self.shape)),)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def describe(self) -> list[str]:
        kind = "grey" if self.channels == 1 else "colour"
        return [f"{kind} images of {self.height} x {self.width} pixels"]

    def to_dict(self) -> dict:
        return {"form": "pictures", **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict) -> "ImageForm":
        return cls(int(values["height"]), int(values["width"]), int(values["channels"]))


def read_folder(folder: Path, known: ImageForm | None) -> tuple[np.ndarray, np.ndarray, ImageForm]:
    """The images of a folder and the folders in it, in the order of their names, but for what is hidden.

    Args:
        known: size and channels to bring them to; None: the median height and width, and grey where all are grey.

    Returns:
        uint8 [n, height, width, channels], the name of each [n], and what they were brought to.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in ENDINGS and file.is_file()]
    names = [file.relative_to(folder).as_posix() for file in files]
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    if not names:
        raise InputError("data", f"images ({', '.join(ENDINGS)}) in the folder", f"{folder}, which has none")
    if known is None:
        width, height = np.median([_upright(folder / name).size for name in names], axis=0).astype(int).tolist()
    form = known or ImageForm(height, width, 3)
    x = np.empty((len(names), *form.shape), np.uint8)
    for row, name in enumerate(names):
        x[row] = _pixels(_upright(folder / name), form)
    if known is None and (x == x[..., :1]).all():  # grey, perhaps stored as colour
        x, form = x[..., :1], replace(form, channels=1)
    return x, np.array(names), form


def outermost_folders(names: np.ndarray) -> np.ndarray:
    """The label of each image [n], by its name: the folder it lies in; an InputError where it lies in none."""
    if loose := [name for name in names.tolist() if "/" not in name]:
        raise InputError("labels", "every image in a folder of its label", f"{loose[0]!r} in none")
    return np.array([name.split("/")[0] for name in names.tolist()])


def _upright(file: Path):
    """An image, turned as its EXIF data say."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=FORMATS) as image:
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow does not say which of many files it was
        raise InputError("data", "images that Pillow reads", f"{file} ({cited(error)})", "remove it") from error


def _pixels(image, form: ImageForm) -> np.ndarray:
    """An image as bytes [height, width, channels]: 16 bits are divided by 257, what is transparent becomes white."""
    from PIL import Image

    if image.mode.startswith(DEEP_MODES):
        white = 255 if image.mode.startswith("F") else 65535
        values = np.clip(np.asarray(image, np.float64), 0, white)
        image = Image.fromarray((values * (255 / white)).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if form.channels == 1 else "RGB")
    if image.size != (form.width, form.height):
        image = image.resize((form.width, form.height))
    return np.asarray(image).reshape(form.shape)
