"""What a person reads of an evaluation: tables on the terminal, one HTML page, and the files that hold them.

The page, report.html filled in by Jinja, stands alone: figures are inside it as base64 PNG, and the map that answers
the pointer has its script inside.
"""

import base64
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas

from vade_tf import __version__
from vade_tf.contrast import FOLD
from vade_tf.data.schema import AS_ASKED
from vade_tf.errors import visible
from vade_tf.report.evaluation import Evaluation
from vade_tf.runs.train import version
from vade_tf.storage import write_whole

PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "numpy", "scikit-learn", "matplotlib")
SYSTEMS = {"vade": "VaDE", "gmvae": "GMVAE", "dec": "DEC", "dec_da": "DEC-DA", "idec": "IDEC"}
SCORES = {
    "acc": ("ACC", "best one-to-one match of clusters and labels"),
    "nmi": ("NMI", "normalised mutual information"),
    "ari": ("ARI", "adjusted Rand index"),
    "purity": ("Purity", "share with the commonest label of the cluster"),
    "most_confident_acc": ("ACC, GMVAE's rule", "label of each cluster's surest member"),
    "homogeneity": ("Homogeneity", "1 where every cluster has one label"),
    "completeness": ("Completeness", "1 where every label has one cluster"),
    "ece": ("Calibration error", "mean gap of confidence and share right"),
    "silhouette": ("Silhouette of the code", "from -1 to 1; needs no labels"),
    "confidence": ("Mean confidence", "probability of the assigned cluster"),
    "gamma_entropy": ("Entropy of gamma", "nats a row; 0 where every row is certain"),
    "elbo": ("ELBO", "nats a row: minus the sum of the next three"),
    "distortion": ("distortion", "reconstruction, -log p(x|z)"),
    "rate_z": ("rate_z", "code against the components"),
    "rate_c": ("rate_c", "gamma against pi"),
}
NATS = ("elbo", "distortion", "rate_z", "rate_c")
COMPARED = ("acc", "nmi", "ari", "purity", "silhouette", "elbo")
MAX_CARDS = 24  # on a page: those of the largest clusters
MAX_LETTERS = 60  # of a name on a card


def score_rows(result: dict) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each number that a result of `evaluation.evaluate` has."""
    values = {**result, "ece": (result["calibration"] or {}).get("ece")}
    return [
        (name, f"{values[key]:.{2 if key in NATS else 4}f}", meaning)
        for key, (name, meaning) in SCORES.items()
        if values[key] is not None
    ]


def cluster_table(result: dict) -> pandas.DataFrame:
    """A line a cluster, without what is not known of any."""
    columns = ["cluster", "rows", "pi", "confidence", "label", "purity"]
    found = pandas.DataFrame(result["clusters"], columns=columns, dtype=object).dropna(axis=1, how="all")
    return found.map(lambda value: "-" if value is None else f"{value:.4f}" if isinstance(value, float) else value)


def about(result: dict) -> str:
    """One sentence: what was evaluated on what."""
    seen, drawn = result["seen_in_training"], result.get("drawn_from")
    trained = "" if seen is None else f"; {'all' if seen == result['n'] else f'{seen:,}'} of them seen in training"
    return (
        f"{result['n_clusters']} clusters, {result['n']:,} rows of {result['n_features']:,} features "
        f"({result['dataset']} from {result['source']}{trained}{f'; drawn from {drawn:,}' if drawn else ''})"
    )


def show(result: dict) -> None:
    """The tables of one run, on the terminal."""
    choice = result["choice"]
    told = [f"number of clusters: chosen, {choice['why']}"] if choice else []
    told += [f"health: {sentence}" for sentence in result["health"]]
    scores = "\n".join(f"{name:<24}{value:>10}  {meaning}" for name, value, meaning in score_rows(result))
    _print(f"{result['run']}: {about(result)}", scores, cluster_table(result), *told)


def show_comparison(results: dict[str, dict]) -> None:
    """One table of several runs by name, on the terminal."""
    rows = []
    for name, result in results.items():
        cells = {c: "-" if result[c] is None else f"{result[c]:.{2 if c in NATS else 4}f}" for c in COMPARED}
        rows.append({"run": name, **cells})
    drawn = [f"{name}: {about(result)}" for name, result in results.items() if "drawn_from" in result]
    _print(pandas.DataFrame(rows), *drawn)


def _print(*parts: str | pandas.DataFrame) -> None:
    for part in parts:
        text = part if isinstance(part, str) else part.to_string(index=False)
        print("\n".join(map(visible, text.split("\n"))))


def write(evaluated: Evaluation, out: Path, command: str) -> Path:
    """Write report.html and the figures into a folder, in place of those of an earlier report; returns the page's path.

    The command line that asked for it is shown on the page.
    """
    from vade_tf.report.figures import CAPTIONS  # matplotlib, an extra that the tables on the terminal do without

    text, pictures = rendered(evaluated, command)
    write_whole(out / "report.html", text.encode())
    (out / "figures").mkdir(exist_ok=True)
    for name in CAPTIONS:  # those of other rows, not all of which are drawn now
        (out / "figures" / f"{name}.png").unlink(missing_ok=True)
    for name, content in pictures.items():
        write_whole(out / "figures" / f"{name}.png", content)
    return out / "report.html"


def rendered(evaluated: Evaluation, command: str) -> tuple[str, dict[str, bytes]]:
    """The page of an evaluation, and its figures as PNGs by name."""
    from vade_tf.report import drawing, figures

    dataset, found, result = evaluated.dataset, evaluated.found, evaluated.result
    mapped = figures.map_of_codes(found)
    drawn = figures.draw(evaluated.model, dataset, found, result, evaluated.history, mapped)
    pictures = {name: drawing.png(figure) for name, figure in drawn.items()}
    images = drawing.card_images(dataset, found.groups, result["clusters"], evaluated.numbers)
    captioned = [(name, figures.CAPTIONS[name], content) for name, content in pictures.items()]
    pointed = "" if mapped is None else _pointed(*mapped, evaluated)
    return page(result, evaluated.settings, evaluated.training, captioned, command, images, pointed), pictures


def _pointed(rows: np.ndarray, points: np.ndarray, evaluated: Evaluation) -> str:
    """The HTML of a map on which each of some rows, int [m] at points [m, 2], says what it is."""
    from vade_tf.report import interactive

    found = evaluated.found
    known = interactive.about(evaluated.dataset, rows, np.asarray(evaluated.numbers)[rows], found.confidence[rows])
    names = {card["cluster"]: card["name"][:MAX_LETTERS] for card in evaluated.result["clusters"]}
    return interactive.html(interactive.draw(points, found.groups[rows], names, known))


def write_comparison(results: dict[str, dict], out: Path) -> Path:
    """Write the figure of several runs, by name, into a folder; returns its path."""
    from vade_tf.report.drawing import png
    from vade_tf.report.figures import comparison

    write_whole(out / "comparison.png", png(comparison(results)))
    return out / "comparison.png"


def page(
    result: dict,
    settings: dict,
    training: dict,
    pictures: Sequence[tuple[str, str, bytes]],
    command: str,
    images: Sequence[dict[str, bytes]] | None = None,
    pointed: str = "",
) -> str:
    """The report as one self-contained HTML page: results, settings and training as in `Evaluation`.

    Pictures are (name, caption, PNG), in their order; images those of `drawing.card_images`; pointed is the HTML of the
    map that answers the pointer.
    """
    cards = sorted(result["clusters"], key=lambda card: -card["rows"])[:MAX_CARDS]
    columns = training.get("columns") or {"used": [], "left_out": {}}
    unused = [name for name, reason in columns["left_out"].items() if not reason.startswith(AS_ASKED)]
    facts = {
        "number of clusters": f"chosen, {result['choice']['why']}" if result["choice"] else "given",
        "rows": training.get("kind"),
        "columns": ", ".join(map(str, columns["used"])),
        "columns left out": "; ".join(f"{name}: {reason}" for name, reason in columns["left_out"].items()),
        **{name: training.get(name) for name in ("start", "likelihood", "device", "precision")},
        "epochs": ", ".join(f"{name} {n}" for name, n in training["epochs"].items() if n) or "none",
        "seconds": ", ".join(f"{name} {value:,.0f}" for name, value in training["seconds"].items()),
        "versions": ", ".join(f"{name} {number}" for name, number in training["versions"].items()),
    }
    clusters, libraries = cluster_table(result), ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return _template().render(
        title=f"{SYSTEMS.get(result['model'], result['model'])} on {result['dataset']}",
        about=about(result),
        result=result,
        training=training,
        checked=result["model"] == "vade",
        unused=", ".join(map(str, unused)),
        cards=sorted(cards, key=lambda card: card["cluster"]),
        folds=any(feature["kind"] == FOLD for card in cards for feature in card["features"]),
        images=images,
        scores=score_rows(result),
        head=list(clusters),
        clusters=clusters.itertuples(index=False),
        pictures=pictures,
        pointed=pointed,
        settings=[(name, value) for name, value in settings.items() if value is not None],
        facts=[(name, value) for name, value in facts.items() if value],
        command=command,
        versions=f"vade_tf {__version__}, Python {platform.python_version()}, {libraries}",
    )


def _template():
    """The template report.html, in which every word is escaped."""
    import jinja2  # an extra, too

    from vade_tf.report.drawing import colour, ink

    environment = jinja2.Environment(loader=jinja2.PackageLoader("vade_tf", "report"), autoescape=True)
    environment.filters |= {
        "base64": lambda png: base64.b64encode(png).decode(),
        "colour": colour,
        "ink": ink,
        "share": lambda share: f"{100 * share:.1f}\xa0%",
        "short": lambda name: name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "\u2026",
        "value": _written,
    }
    return environment.get_template("report.html")


def _written(value: float | str | None) -> str:
    """Four digits of a number, thousands apart; "missing" for none."""
    if value is None or isinstance(value, str):
        return value or "missing"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"
