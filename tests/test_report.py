"""The report: one page that stands alone, says what it should, and opens in a browser without a complaint."""

import base64
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from vade_tf.data.observing import build
from vade_tf.errors import InputError
from vade_tf.report import evaluation, figures, files
from vade_tf.report.page import about, cluster_rows, score_rows, show_comparison
from vade_tf.report.page import page as page_of
from vade_tf.runs.config import TrainConfig

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TRAINING = {
    "likelihood": "bernoulli",
    "epochs": {"pretrain": 30, "fit": 10},
    "seconds": {"pretrain": 61.0, "init": 2.0, "fit": 30.0, "total": 93.0},
    "device": "CPU",
    "precision": "float32",
    "versions": {"keras": "3.99"},
    "health": [],
    "remedies": [],
}


def png(width, height):
    """A grey PNG, written by hand."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([128] * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURES = [("samples", "A caption with <angle> brackets & more.", png(60, 30)), ("code", "Another.", png(40, 40))]


@pytest.fixture
def result(small_model, rng, monkeypatch):
    """An evaluation of an untrained model, with labels."""
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)
    model = small_model()
    data = build(rng.uniform(size=(40, 12)).astype("f4"), np.arange(40) % 3, "bars <b>", "a & b.npz")
    facts = {"run": "runs/bars", "dataset": data.name, "source": data.source, "model": "vade", "seen_in_training": 40}
    facts["choice"] = None
    return {**facts, **evaluation.evaluate(model, data, evaluation.posterior(model, data.x))}


@pytest.fixture
def page(result):
    settings = {"data": "a & b.npz", "batch_size": 256, "limit": None}
    return page_of(result, settings, TRAINING, PICTURES, "python evaluate.py 'runs/<bars>'")


class Outline(HTMLParser):
    """Checks that every tag is closed in order; collects text, and what would be fetched."""

    VOID = ("meta", "link", "img", "!doctype")

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.sources, self.tags = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone(page):
    outline = Outline(page)
    assert outline.sources
    assert all(source.startswith("data:") for source in outline.sources)
    assert not {"script", "iframe", "object", "b", "bars", "angle"} & set(outline.tags)  # what users wrote is text
    assert not re.search(r"url\(|@import|https?://", page)
    images = [base64.b64decode(s.split(",", 1)[1]) for s in outline.sources if s.startswith("data:image/png")]
    assert images == [content for _, _, content in PICTURES]


def test_the_page_says_everything(page, result):
    words = " | ".join(Outline(page).text)
    for expected in (
        "VaDE on bars <b>",
        "40 rows of 12 features",
        "all of them seen in training",
        f"{result['acc']:.4f}",
        f"{result['importance_weighted']['bounds']['5000']:.2f}",
        "A caption with <angle> brackets & more.",
        "batch_size | 256",
        "likelihood | bernoulli",
        "epochs | pretrain 30, fit 10",
        "pretrain 61",
        "keras 3.99",
        "matplotlib 3.",
        "python evaluate.py 'runs/<bars>'",
    ):
        assert expected in words.replace("|  | ", "| "), expected
    assert "limit" not in words  # settings that were not given
    assert page.count("<tr>") >= 4 + len(score_rows(result))


def test_without_labels_no_row_needs_them(result):
    names = ("acc", "nmi", "ari", "purity", "most_confident_acc", "homogeneity", "completeness", "calibration")
    bare = {**result, **dict.fromkeys(names), "seen_in_training": None}
    shown = [name for name, _, _ in score_rows(bare)]
    assert "ELBO" in shown
    assert "Silhouette of the code" in shown
    assert not {"ACC", "NMI", "ARI", "Purity", "Homogeneity", "Calibration error"} & set(shown)
    assert cluster_rows(bare)[0] == ["cluster", "rows", "pi", "confidence"]
    assert "in training" not in about(bare)
    sentence = "about 80 % belong where they are put if the model is right"
    assert sentence in page_of(bare, {}, TRAINING, [], "")
    assert sentence not in page_of(result, {}, TRAINING, [], "")


def test_every_row_is_in_the_table_of_clusters(result):
    head, rows = cluster_rows(result)
    assert head == ["cluster", "rows", "pi", "confidence", "label", "purity"]
    assert sum(int(row[1]) for row in rows) == 40
    some = {**result, "seen_in_training": 7}
    assert "7 of them seen in training" in about(some)


@pytest.fixture
def evaluated(small_model, rng, result, tmp_path, monkeypatch):
    """Of a run in another folder, whose one figure is a map of its code."""
    picture = figures.Picture("code", "A map.", Figure((1, 1)))
    monkeypatch.setattr(figures, "draw", lambda *subject: iter([picture]))
    model, data = small_model(), build(rng.uniform(size=(40, 12)).astype("f4"), None, "x", "memory")
    run = SimpleNamespace(path=tmp_path / "run", config=TrainConfig(data="x.npy", clusters=4))
    found = evaluation.posterior(model, data.x)
    told = {**result, "health": [], "remedies": []}
    return evaluation.Evaluation(run, model, data, range(40), found, TRAINING, [], told)


def prepare_and_write(evaluated, out):
    files.prepare(out, [evaluated.run.path], "out")
    files.write(evaluated, out, "command")


@pytest.mark.parametrize("place", ["run", "look"])
def test_no_figure_of_an_earlier_evaluation_stays(evaluated, result, tmp_path, place):
    """Of rows without labels there is no table of them, and that of others would be taken for theirs."""
    out = tmp_path / place
    (out / "figures").mkdir(parents=True)
    for name in ("confusion.png", "code.png", "own.png"):
        (out / "figures" / name).write_bytes(b"old")
    if place == "look":
        (out / "report.html").write_text(page_of(result, {}, TRAINING, [], ""))
    prepare_and_write(evaluated, out)
    assert sorted(file.name for file in (out / "figures").iterdir()) == ["code.png", "own.png"]
    assert (out / "figures" / "code.png").read_bytes() != b"old"


@pytest.mark.parametrize("name", ["figures/code.png", "figures/confusion.png", "report.html"])
def test_what_somebody_else_calls_as_a_report_does_is_left_alone(evaluated, tmp_path, name):
    own = tmp_path / "mine" / name
    own.parent.mkdir(parents=True)
    own.write_text("<p>Mine.</p>")
    with pytest.raises(InputError, match=f"^out: {own} is there, and of no report of vade_tf; choose another"):
        prepare_and_write(evaluated, tmp_path / "mine")
    assert [file for file in (tmp_path / "mine").rglob("*") if file.is_file()] == [own]
    assert own.read_text() == "<p>Mine.</p>"
    files.prepare(tmp_path / "mine", [tmp_path / "run", tmp_path / "other"], "out")  # a comparison has no such files


def test_a_report_that_was_stopped_is_written_anew(evaluated, tmp_path, monkeypatch):
    def killed(path, content):
        path.write_bytes(content)
        if path.suffix == ".png":
            raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(files, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_and_write(evaluated, tmp_path / "look")
    prepare_and_write(evaluated, tmp_path / "look")
    assert (tmp_path / "look" / "figures" / "code.png").read_bytes().startswith(b"\x89PNG")


def test_runs_side_by_side_are_named_in_full(result, capsys):
    names = [f"/somewhere/{60 * 'x'}/seed-{number}" for number in range(2)]
    show_comparison(dict.fromkeys(names, result))
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", *names]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_opens_it_without_a_complaint(page, tmp_path):
    file, shot = tmp_path / "report.html", tmp_path / "shot.png"
    file.write_text(page)
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--window-size=500,900",
        "--hide-scrollbars",
    ]  # fmt: skip
    done = subprocess.run(
        [*command, f"--screenshot={shot}", file.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert "CONSOLE" not in done.stderr
    assert shot.stat().st_size > 10_000  # blank, it is 3 kB
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120)
    assert "A caption with &lt;angle&gt; brackets &amp; more." in done.stdout


def test_the_page_says_what_is_wrong_and_what_was_done(result):
    ill = {**TRAINING, "health": ["component 3 is empty"], "remedies": ["started anew"]}
    text = page_of(result, {}, ill, [], "")
    order = ("A problem was found", "component 3 is empty", "During training", "started anew")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "No problem was found." in page_of(result, {}, TRAINING, [], "")
    assert "Not checked." in page_of({**result, "model": "kmeans"}, {}, TRAINING, [], "")


def test_the_page_names_epochs_and_settings_that_were_and_numbers_that_were_compared(result):
    def told(epochs):
        text = page_of(result, {}, {**TRAINING, "epochs": epochs}, [], "")
        return re.search(r"<td>epochs</td><td>(.*?)</td>", text)[1]

    assert told({"pretrain": None, "fit": 7}) == "fit 7"
    assert told({"pretrain": None, "fit": None}) == "none"
    text = page_of(result, {"limit": None, "held_out": 0.0, "export": False}, TRAINING, [], "")
    assert "<td>held_out</td><td>0.0</td>" in text
    assert "<td>export</td><td>False</td>" in text
    assert "<td>limit</td>" not in text
    choice = {"n_clusters": 3, "why": "it was", "tried": [2, 3], "strength": [0.125, 0.5]}
    text = page_of({**result, "choice": choice}, {}, TRAINING, [], "")
    for line in (("2", "0.125"), ("3", "0.500")):
        assert "".join(f'<td class="number">{cell}</td>' for cell in line) in text
