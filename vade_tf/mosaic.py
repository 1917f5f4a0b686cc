"""Many small images as one picture. NumPy only."""

import math

import numpy as np


def mosaic(images: np.ndarray, columns: int | None = None, gap: int = 1, gap_value: float = 1.0) -> np.ndarray:
    """Lay images out row by row.

    Args:
        images: [n, height, width], or [n, height, width, channels].
        columns: images side by side; default as many as make it about square.
        gap: pixels between two images.
        gap_value: their value, and that of places without an image.

    Returns:
        One image, [rows * (height + gap) - gap, columns * (width + gap) - gap], with the same channels.
    """
    n, height, width, *channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * columns, height + gap, width + gap, *channels), gap_value, images.dtype)
    sheet[:n, :height, :width] = images
    sheet = sheet.reshape(rows, columns, height + gap, width + gap, *channels).swapaxes(1, 2)
    return sheet.reshape(rows * (height + gap), columns * (width + gap), *channels)[: -gap or None, : -gap or None]
