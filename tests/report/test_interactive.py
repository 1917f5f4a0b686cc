"""The map that answers the pointer, in a browser without a network."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from small_reports import BROWSER, HOSTILE, opened

from vade_tf.report import interactive

POINT = """<script>
const texts = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot
    ? [...texts(e.shadowRoot), e.shadowRoot.textContent] : []);
const waiting = setInterval(() => {
  const view = [...Bokeh.index][0];
  if (!view || !view.canvas_view) return;
  clearInterval(waiting);
  const area = view.canvas_view.events_el.getBoundingClientRect(), frame = view.frame;
  const at = {clientX: area.left + frame.x_scale.compute(AT_X), clientY: area.top + frame.y_scale.compute(AT_Y),
              isPrimary: true, pointerType: 'mouse', bubbles: true};
  view.canvas_view.events_el.dispatchEvent(new PointerEvent('pointermove', at));
  const loaded = () => performance.getEntriesByType('resource').length;
  setTimeout(() => { document.title = 'loaded: ' + loaded() + ', seen: ' + texts(document).join(' '); }, 500);
}, 100);
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_point_says_what_it_is_and_nothing_is_loaded(tmp_path):
    points = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    known = {"row": np.array([4, 7, 9]), "confidence": np.array([0.5, 0.875, 0.9]), "text": ["a", HOSTILE, "c"]}
    page = interactive.html(interactive.draw(points, np.array([0, 1, -1]), {1: "name"}, known))
    file = tmp_path / "map.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{page}{POINT.replace('AT_X', '1').replace('AT_Y', '1')}")
    text, said = opened(file, "--virtual-time-budget=20000")
    assert not [line for line in said if "Uncaught" in line]
    title = text.split("<title>")[1].split("</title>")[0]
    assert title.startswith("loaded: 0, ")
    assert "row 7, cluster 1, confidence 0.875" in title
    assert "alert('x')" in title


def test_pictures_are_the_images():
    image = np.linspace(0, 1, 12).reshape(1, 3, 4)
    (address,) = interactive.pictures(image)
    read = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert read.size == (4, 3)
    np.testing.assert_allclose(np.asarray(read.convert("L")) / 255, image[0], atol=0.1)
