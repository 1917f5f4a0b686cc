"""Sheets of images: every image whole and in its place."""

import numpy as np
import pytest

from vade_tf.mosaic import mosaic


@pytest.mark.parametrize(("n", "columns", "gap"), [(6, 3, 1), (5, 3, 1), (4, None, 0), (1, None, 2), (7, 4, 3)])
def test_every_image_is_whole_and_in_its_place(rng, n, columns, gap):
    images = rng.uniform(size=(n, 2, 3))
    sheet = mosaic(images, columns, gap, gap_value=-1.0)
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    assert sheet.shape == (rows * (2 + gap) - gap, columns * (3 + gap) - gap)
    for i, image in enumerate(images):
        top, left = i // columns * (2 + gap), i % columns * (3 + gap)
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3], image)
    assert np.sum(sheet != -1.0) == images.size
