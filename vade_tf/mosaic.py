"""Many small grey images as one picture. NumPy only."""

import math

import numpy as np


def mosaic(images: np.ndarray, columns: int | None = None, gap: int = 1, gap_value: float = 1.0) -> np.ndarray:
    """Lay images out row by row.

    Args:
        images: [n, height, width].
        columns: images side by side; default as many as make it about square.
        gap: pixels between two images.
        gap_value: their value, and that of places without an image.

    Returns:
        One image, [rows * (height + gap) - gap, columns * (width + gap) - gap].
    """
    n, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * columns, height + gap, width + gap), gap_value, images.dtype)
    sheet[:n, :height, :width] = images
    sheet = sheet.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    return sheet.reshape(rows * (height + gap), columns * (width + gap))[: -gap or None, : -gap or None]
