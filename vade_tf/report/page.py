"""What a person reads of an evaluation: tables on the terminal, and one HTML page that holds everything.

The page needs no network and no second file: pictures are inside it as base64 PNG, and there is no script.
"""

import base64
import platform
from collections.abc import Sequence
from html import escape

from rich.table import Table

from vade_tf import __version__
from vade_tf.printing import Plain
from vade_tf.report.style import STYLE
from vade_tf.runs.result import version

PACKAGES = ("tensorflow", "tensorflow-probability", "keras", "numpy", "scikit-learn", "matplotlib")
SCORES = {
    "acc": ("ACC", "best one-to-one match of clusters and labels"),
    "nmi": ("NMI", "normalised mutual information"),
    "ari": ("ARI", "adjusted Rand index"),
    "purity": ("Purity", "share with the commonest label of the cluster"),
    "most_confident_acc": ("ACC, GMVAE's rule", "label of each cluster's surest member"),
    "homogeneity": ("Homogeneity", "1 where every cluster has one label"),
    "completeness": ("Completeness", "1 where every label has one cluster"),
    "silhouette": ("Silhouette of the code", "from -1 to 1; needs no labels"),
    "confidence": ("Mean confidence", "probability of the assigned cluster"),
    "gamma_entropy": ("Entropy of gamma", "nats a row; 0 where every row is certain"),
}
TERMS = {
    "elbo": ("ELBO", "nats a row: minus the sum of the next three"),
    "distortion": ("distortion", "reconstruction, -log p(x|z)"),
    "rate_z": ("rate_z", "code against the components"),
    "rate_c": ("rate_c", "gamma against pi"),
}
CONFIDENCE = (  # what no labels can check
    "What a confidence means: of the rows with a probability near 0.8, about 80 % belong where they are put if the "
    "model is right. There are no labels here to check it by."
)
SYSTEMS = {
    "vade": "VaDE",
    "dec": "DEC",
    "dec_da": "DEC-DA",
    "idec": "IDEC",
    "gmvae": "GMVAE",
}  # where the name is not the flag's


def score_rows(result: dict) -> list[tuple[str, str, str]]:
    """(name, value, what it means) of each figure that the result of `evaluation.evaluate` has."""
    rows = [(name, f"{result[key]:.4f}", note) for key, (name, note) in SCORES.items() if result[key] is not None]
    if result["calibration"] is not None:
        note = "mean gap of confidence and share right"
        rows.append(("Calibration error", f"{result['calibration']['ece']:.4f}", note))
    rows += [(name, f"{result[key]:.2f}", note) for key, (name, note) in TERMS.items() if result[key] is not None]
    weighted = result["importance_weighted"]
    for k, bound in ({} if weighted is None else weighted["bounds"]).items():
        note = f"nats a row on {weighted['rows']} rows (ELBO {weighted['elbo']:.2f})"
        rows.append((f"IWAE bound, k = {int(k):,}", f"{bound:.2f}", note))
    rows.append(("Predict", f"{result['predict_rows_per_second']:,.0f}", "rows a second"))
    return rows


def cluster_rows(result: dict) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of clusters."""
    names = {"cluster": "d", "rows": ",d", "pi": ".4f", "confidence": ".4f", "label": "d", "purity": ".4f"}
    if result["acc"] is None:
        del names["label"], names["purity"]
    if result["clusters"][0]["pi"] is None:
        del names["pi"]
    rows = [
        ["-" if row[name] is None else format(row[name], form) for name, form in names.items()]
        for row in result["clusters"]
    ]
    return list(names), rows


def about(result: dict) -> str:
    """One sentence: what was evaluated on what."""
    seen = result["seen_in_training"]
    trained = (
        "" if seen is None else f"; {'all' if seen == result['n'] else format(seen, ',')} of them seen in training"
    )
    trained += f"; drawn from {result['drawn_from']:,}" if "drawn_from" in result else ""
    return (
        f"{result['n_clusters']} clusters, {result['n']:,} rows of {result['n_features']:,} features "
        f"({result['dataset']} from {result['source']}{trained})"
    )


def chosen(choice: dict) -> str:
    """One sentence: why there are so many clusters, where their number was not given."""
    return f"Number of clusters: chosen, {choice['why']}"


def show(result: dict) -> None:
    """The tables of one run, on the terminal."""
    console = Plain()
    console.print(f"{result['run']}: {about(result)}", highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for row in score_rows(result):
        table.add_row(*row)
    console.print(table, highlight=False)
    head, rows = cluster_rows(result)
    console.print(_table(head, rows), highlight=False)
    if result["choice"] is not None:
        console.print(chosen(result["choice"]), highlight=False, soft_wrap=True)
    for sentence in result["health"]:
        console.print(f"health: {sentence}", highlight=False, soft_wrap=True)


def show_comparison(results: dict[str, dict]) -> None:
    """One table of several runs by name, on the terminal."""
    columns = ("acc", "nmi", "ari", "purity", "silhouette", "elbo")
    rows = []
    for name, result in results.items():
        values = [
            "-" if result[c] is None else f"{result[c]:.2f}" if c == "elbo" else f"{result[c]:.4f}" for c in columns
        ]
        weighted = result["importance_weighted"]
        rows.append([name, *values, "-" if weighted is None else f"{weighted['bounds']['5000']:.2f}"])
    Plain().print(_table(["run", *columns, "iwae"], rows), highlight=False)
    for name, result in results.items():
        if "drawn_from" in result:  # others may have been evaluated on all
            Plain().print(f"{name}: {about(result)}", highlight=False, soft_wrap=True)


def page(
    result: dict,
    settings: dict,
    training: dict,
    pictures: Sequence[tuple[str, str, bytes]],
    command: str,
    cards: Sequence[dict[str, bytes]] | None = None,
) -> str:
    """The report as one self-contained HTML page.

    Args:
        result: `evaluation.evaluate` of the run with run, dataset, source and seen_in_training.
        settings: its config.json.
        training: its metrics.json.
        pictures: (name, caption, PNG) of the figures, in their order.
        command: the command line that made it.
        cards: PNGs for the cards, see `image_figures.card_images`; default: the rows are no images.
    """
    from vade_tf.report import card_page  # which loads matplotlib, as all that draws

    title = f"{SYSTEMS.get(result['model'], result['model'])} on {result['dataset']}"
    head, rows = cluster_rows(result)
    seconds = training["seconds"]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">{escape(about(result))}.</p>',
        card_page.health(training["health"], training["remedies"], result["model"] == "vade"),
        "<h2>Clusters</h2>",
        *_choice(result["choice"]),
        card_page.section(result["clusters"], cards),
        "<h2>Scores</h2>",
        _html_table(None, score_rows(result), ("", "number", "note")),
        *([f'<p class="note">{CONFIDENCE}</p>'] if result["elbo"] is not None and result["acc"] is None else []),
        "<h2>Table of clusters</h2>",
        _html_table(head, rows, ("number",) * len(head)),
        '<p class="note">rows: how many are assigned; pi: weight of the component; confidence: mean probability of the '
        "assigned cluster; label and purity: the commonest label and its share. Labels are numbered from 0 in their "
        "sorted order.</p>",
        "<h2>Figures</h2>",
        *(
            f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for name, caption, png in pictures
        ),
        "<h2>Settings</h2>",
        _html_table(None, [(name, str(value)) for name, value in settings.items() if value is not None], ("", "")),
        "<h2>Training</h2>",
        _html_table(
            None,
            [
                *([("rows", training["kind"]), ("start", training["start"])] if training.get("kind") else []),
                *([("likelihood", name)] if (name := training.get("likelihood")) else []),  # older folders have none
                ("epochs", ", ".join(f"{name} {n}" for name, n in training["epochs"].items() if n) or "none"),
                ("seconds", ", ".join(f"{name} {value:,.0f}" for name, value in seconds.items())),
                ("device", training["device"]),
                ("precision", training["precision"]),
                ("versions", ", ".join(f"{name} {version}" for name, version in training["versions"].items())),
            ],
            ("", ""),
        ),
        "<h2>This page</h2>",
        f"<pre>{escape(command)}</pre>",
        f'<p class="note">Made with {escape(versions())}.</p>',
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _choice(choice: dict | None) -> list[str]:
    """The numbers of clusters that were compared, where one of them was chosen."""
    if choice is None:
        return []
    cells = [(str(k), f"{strength:.3f}") for k, strength in zip(choice["tried"], choice["strength"], strict=True)]
    return [
        f"<p>{escape(chosen(choice))}.</p>",
        "<details><summary>The numbers compared</summary>",
        _html_table(["clusters", "prediction strength"], cells, ("number", "number")),
        "</details>",
    ]


def versions() -> str:
    """This package, Python and the libraries whose versions can change a figure."""
    libraries = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"vade_tf {__version__}, Python {platform.python_version()}, {libraries}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose first column is kept whole: two runs may differ in the last letter of their names."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for i, name in enumerate(head):
        table.add_column(name, justify="left" if i == 0 else "right", overflow="fold" if i == 0 else "ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _html_table(head: Sequence[str] | None, rows: Sequence[Sequence[str]], classes: Sequence[str]) -> str:
    """A table in a box of its own, so that on a narrow screen it scrolls and the page does not."""

    def line(cells, tag: str) -> str:
        inside = "".join(
            f'<{tag} class="{c}">{escape(cell)}</{tag}>' if c else f"<{tag}>{escape(cell)}</{tag}>"
            for cell, c in zip(cells, classes, strict=True)
        )
        return f"<tr>{inside}</tr>"

    lines = ([] if head is None else [line(head, "th")]) + [line(row, "td") for row in rows]
    return '<div class="scroll"><table>' + "\n".join(lines) + "</table></div>"
