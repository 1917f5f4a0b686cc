"""The report: one page that stands alone, says what it should, and fits into a browser's window."""

import base64
import re
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_reports import BROWSER, HOSTILE, Outline, a_table, found_of, opened

from vade_tf.data.observations import build
from vade_tf.report import cards, drawing, evaluation, figures, page

TRAINING = {
    "likelihood": "bernoulli",
    "epochs": {"pretrain": None, "fit": 10},
    "seconds": {"pretrain": 61.0, "fit": 30.0, "total": 93.0},
    "device": "CPU",
    "precision": "float32",
    "versions": {"keras": "3.99"},
    "health": [],
    "remedies": [],
}


PNG = drawing.png(Figure((0.5, 0.5)))


PICTURES = [("samples", "A caption with <angle> brackets & more.", PNG), ("code", "Another.", PNG)]


@pytest.fixture
def result(small_model, rng):
    """An evaluation of an untrained model, with labels."""
    model = small_model()
    data = build(rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 3, "bars <b>", "a & b.npz")
    facts = {"run": "runs/bars", "dataset": data.name, "source": data.source, "model": "vade", "seen_in_training": 40}
    facts |= {"choice": None, "health": []}
    return {**facts, **evaluation.evaluate(model, data, evaluation.posterior(model, data.x))}


def of_table(rng, result):
    """The same of a table whose names are hostile."""
    groups, frame = a_table(rng)
    data = build(frame, groups, "people", "memory")
    confidence = np.where(np.arange(300) == 9, 0.6, 0.9)
    return {**result, "clusters": cards.cards(SimpleNamespace(), data, found_of(groups, confidence))}


def words_of(text):
    return re.sub(r"\s+", " ", " ".join(Outline(text).text))


def test_the_page_stands_alone_and_says_everything(result):
    settings = {"data": "a & b.npz", "batch_size": 256, "limit": None}
    text = page.page(result, settings, TRAINING, PICTURES, "python evaluate.py 'runs/<bars>'")
    outline = Outline(text)
    assert all(source.startswith("data:") for source in outline.sources)
    assert not {"script", "iframe", "object", "b", "bars", "angle"} & set(outline.tags)  # what users wrote is text
    assert not re.search(r"url\(|@import|https?://", text)
    images = [base64.b64decode(s.split(",", 1)[1]) for s in outline.sources if s.startswith("data:image/png")]
    assert images == [content for _, _, content in PICTURES]
    words = words_of(text)
    for expected in (
        "VaDE on bars <b>",
        "40 rows of 12 features",
        "all of them seen in training",
        f"{result['acc']:.4f}",
        "A caption with <angle> brackets & more.",
        "batch_size 256",
        "likelihood bernoulli",
        "epochs fit 10",
        "pretrain 61",
        "keras 3.99",
        "python evaluate.py 'runs/<bars>'",
        "No problem was found",
    ):
        assert expected in words, expected
    assert "limit" not in words  # a setting that was not given


def test_without_labels_no_line_needs_them(result):
    bare = {**result, **dict.fromkeys(evaluation.SCORES), "seen_in_training": None}
    bare["clusters"] = [{**card, "label": None, "purity": None} for card in bare["clusters"]]
    shown = [name for name, _, _ in page.score_rows(bare)]
    assert {"ELBO", "Silhouette of the code"} <= set(shown)
    assert not {"ACC", "NMI", "ARI", "Purity", "Homogeneity", "Calibration error"} & set(shown)
    assert list(page.cluster_table(bare)) == ["cluster", "rows", "pi", "confidence"]
    assert "in training" not in page.about(bare)
    sentence = "about 80 % belong where they are put if the model is right"
    assert sentence in words_of(page.page(bare, {}, TRAINING, [], ""))
    assert sentence not in words_of(page.page(result, {}, TRAINING, [], ""))


def test_the_page_says_what_is_wrong_and_what_was_done(result):
    ill = {**TRAINING, "health": ["component 3 is empty"], "remedies": [HOSTILE]}
    words = words_of(page.page(result, {}, ill, [], ""))
    order = ("Problems: 1", "component 3 is empty", "During training", "<script>alert('x')</script>")
    places = [words.index(part) for part in order]
    assert places == sorted(places)
    assert "Not checked" in words_of(page.page({**result, "model": "kmeans"}, {}, TRAINING, [], ""))


@pytest.mark.parametrize(("reason", "praised"), [("as asked", True), ("60 different texts", False)])
def test_columns_that_nobody_left_out_are_said_first(result, reason, praised):
    training = {**TRAINING, "columns": {"used": ["age"], "left_out": {"price": reason}}}
    text = page.page(result, {}, training, [], "")
    assert ('class="health good"' in text) == praised
    words = words_of(text)
    assert f"columns left out price: {reason}" in words
    assert ("Columns were left out: price" in words) != praised


def test_a_card_says_what_its_numbers_are(rng, result):
    result = of_table(rng, result)
    text = page.page(result, {}, TRAINING, [], "")
    assert not {"script", "img"} & set(Outline(text).tags)
    parts = re.findall(r"<section.*?</section>", text, re.S)
    for c, (part, card) in enumerate(zip(parts, result["clusters"], strict=True)):
        assert f'border-top-color:{drawing.colour(c)}"' in part
        words = words_of(part)
        assert "100 rows (33.3 %)" in words
        for feature in card["features"]:
            assert f"{feature['effect']:+.1f}" in words
            assert feature["name"][:59] in words
        bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", part)
        for (left, width), feature in zip(bars, card["features"], strict=True):
            edge = float(left) if feature["effect"] > 0 else float(left) + float(width)
            assert edge == pytest.approx(50, abs=0.11)  # to the right of the middle where it is higher here
    assert "row 9 0.600 here, 0.200 in 1" in words_of(parts[0])


def test_many_clusters_show_their_largest(result):
    card = max(result["clusters"], key=lambda card: card["rows"])
    empty = {"rows": 0, "share": 0.0, "confidence": None, "features": [], "typical": [], "doubtful": []}
    many = [{**card, "cluster": c, "rows": c + 1} for c in range(30)] + [{**card, **empty, "cluster": 30}]
    text = page.page({**result, "clusters": many, "n_clusters": 31}, {}, TRAINING, [], "")
    assert re.findall(r"<h3><span[^>]*>(\d+)<", text) == [str(c) for c in range(6, 30)]
    assert "The 24 largest of 31 clusters." in text
    assert "No row is assigned to it." in page.page({**result, "clusters": many[-1:]}, {}, TRAINING, [], "")


def test_a_comparison_has_each_number_below_its_name_and_names_in_full(result, capsys):
    numbers = {"acc": 0.1, "nmi": 0.2, "ari": 0.3, "purity": 0.4, "silhouette": 0.5, "elbo": -6.0}
    name = f"/somewhere/{60 * 'x'}/seed-1"
    page.show_comparison({name: numbers, "other": dict.fromkeys(numbers)})
    head, one, other = (line.split() for line in capsys.readouterr().out.splitlines())
    assert dict(zip(head, one, strict=True)) == {
        "run": name, "acc": "0.1000", "nmi": "0.2000", "ari": "0.3000", "purity": "0.4000", "silhouette": "0.5000",
        "elbo": "-6.00",
    }  # fmt: skip
    assert other == ["other", *["-"] * 6]
    page.show(result)
    out = capsys.readouterr().out
    assert f"{result['acc']:.4f}  best one-to-one match" in out


def test_no_figure_of_an_earlier_evaluation_stays(small_model, rng, result, tmp_path, monkeypatch):
    """Rows are named by their places among all rows, also where images of the cards are looked up."""
    monkeypatch.setattr(figures, "draw", lambda *subject: {"code": Figure((1, 1))})
    model, data = small_model(), build(rng.uniform(size=(40, 12)).astype("f4"), None, "x", "memory")
    found = evaluation.posterior(model, data.x)
    (tmp_path / "figures").mkdir()
    for name in ("confusion.png", "code.png", "own.png"):
        (tmp_path / "figures" / name).write_bytes(b"old")
    page.write(evaluation.Evaluation({}, model, data, range(40), found, TRAINING, [], result), tmp_path, "command")
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == ["code.png", "own.png"]
    assert (tmp_path / "figures" / "code.png").read_bytes().startswith(b"\x89PNG")
    assert "command" in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("width", [500, 1300])
def test_a_browser_opens_it_without_a_complaint_and_cards_do_not_scroll(rng, result, tmp_path, width):
    file = tmp_path / "report.html"
    measure = (
        "<script>const wide = [...document.querySelectorAll('.card, .card *, body')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != 'inline');"
        "document.title = 'too wide: ' + wide.length</script>"
    )
    file.write_text(page.page(of_table(rng, result), {}, TRAINING, PICTURES, "command") + measure)
    text, said = opened(file, f"--window-size={width},900")
    assert not said
    assert "A caption with &lt;angle&gt; brackets &amp; more." in text
    assert "<title>too wide: 0</title>" in text
