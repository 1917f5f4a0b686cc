"""Many small images as one picture. NumPy only."""

import math

import numpy as np


def mosaic(images: np.ndarray, columns: int | None = None, gap: int = 1, gap_value: float = 1.0) -> np.ndarray:
    """Lay images [n, height, width] or [n, height, width, channels] out row by row, as one image.

    Args:
        columns: images side by side; default as many as make it about square.
        gap, gap_value: pixels between two images; their value, and that of places without an image.
    """
    n, height, width, *channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * columns, height + gap, width + gap, *channels), gap_value, images.dtype)
    sheet[:n, :height, :width] = images
    sheet = sheet.reshape(rows, columns, height + gap, width + gap, *channels).swapaxes(1, 2)
    return sheet.reshape(rows * (height + gap), columns * (width + gap), *channels)[: -gap or None, : -gap or None]
