"""The cards of the clusters and the health of the model as HTML, for the report. Every word of the data is escaped."""

import base64
import math
from collections.abc import Sequence
from html import escape

from vade_tf.report.colours import colour, ink
from vade_tf.report.contrast import FOLD

MOST = 24  # cards on a page: those of the largest clusters
LONGEST = 60  # letters of a name that are shown


def health(findings: Sequence[str], remedies: Sequence[str], known: bool) -> str:
    """What is wrong with the model and what was done about it; that nothing was found, where nothing was.

    Args:
        findings: a sentence each, with the remedy.
        remedies: what was done during training, a sentence each.
        known: whether anything was looked for: only VaDE has a mixture and a code to look at.
    """

    def listed(sentences: Sequence[str]) -> str:
        return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences) + "</ul>"

    if findings:
        many = "A problem was found." if len(findings) == 1 else f"{len(findings)} problems were found."
        kind, text = "bad", f"<p><strong>{many}</strong></p>{listed(findings)}"
    elif known:
        kind = "good"
        text = (
            "<p><strong>No problem was found.</strong> Every component holds rows and is apart from the others, "
            "and the code is in use.</p>"
        )
    else:
        kind = "unknown"
        text = "<p><strong>Not checked.</strong> Health is read from the mixture and the code of a VaDE.</p>"
    if remedies:
        text += f"<p>During training:</p>{listed(remedies)}"
    return f'<div class="health {kind}">{text}</div>'


def section(cards: Sequence[dict], pictures: Sequence[dict[str, bytes]] | None) -> str:
    """The cards of the largest clusters, in the order of their numbers.

    Args:
        cards: of `cards.cards`.
        pictures: of `image_figures.card_images` where the rows are images, else None.
    """
    largest = sorted(range(len(cards)), key=lambda i: -cards[i]["rows"])[:MOST]
    parts = [_card(cards[i], None if pictures is None else pictures[i]) for i in sorted(largest)]
    notes = []
    if len(cards) > MOST:
        notes.append(f"The {MOST} largest of {len(cards)} clusters.")
    folds = any(feature["kind"] == FOLD for card in cards for feature in card["features"])
    if folds:
        notes.append(
            "What sets a cluster apart: the mean that the decoder gives its rows (here) and all others (elsewhere), in "
            "counts of 10,000. The bar is the log2 fold change, to the right where it is higher here: 1 is twice as "
            "much, after one count is added to both. A cluster is called by the first of them that are at least that."
        )
    elif any(card["features"] for card in cards):
        notes.append(
            "What sets a cluster apart: the mean of its rows (here) and that of all other rows (elsewhere). The bar is "
            "their difference in standard deviations over all rows, to the right where it is higher here. In percent: "
            "the share of rows that have it. Missing cells are left out."
        )
    notes.append(
        "Typical rows lie nearest the middle of the cluster in the code, doubtful ones are those that the model is "
        "least sure of, with its second choice. A cluster has the same colour in every figure."
    )
    if any(row["id"] is None for card in cards for row in card["typical"]):
        notes.append("Rows are numbered from 0.")
    return f'<p class="note">{" ".join(notes)}</p>\n<div class="cards">\n' + "\n".join(parts) + "\n</div>"


def chip(c: int) -> str:
    """The number of a cluster on its colour."""
    return f'<span class="chip" style="background:{colour(c)};color:{ink(c)}">{c}</span>'


def _card(card: dict, images: dict[str, bytes] | None) -> str:
    c, rows = card["cluster"], card["rows"]
    head = f"<h3>{chip(c)} {rows:,} row{'' if rows == 1 else 's'} <span>({_share(card['share'])})</span></h3>"
    if card["name"]:
        head = f"<h3>{chip(c)} {_name(card['name'])} <span>({rows:,} rows, {_share(card['share'])})</span></h3>"
    facts = [] if card["confidence"] is None else [f"mean confidence {_probability(card['confidence'])}"]
    if card["pi"] is not None:
        facts.append(f"weight {card['pi']:.3f}")
    if card["label"] is not None:
        facts.append(f"label {card['label']} ({_share(card['purity'])})")
    parts = [head, f'<p class="facts">{", ".join(facts) if rows else "No row is assigned to it."}</p>']
    if card["features"]:
        reach = max(1.0, *(abs(each["effect"]) for each in card["features"]))  # what the longest bar stands for
        lines = "".join(_feature(each, c, reach) for each in card["features"])
        parts.append(
            '<div class="scroll"><table><tr><th>What sets it apart</th><th></th><th class="effect"></th>'
            f'<th class="number">here</th><th class="number">elsewhere</th></tr>{lines}</table></div>'
        )
    elif rows and images is None:
        parts.append('<p class="facts">No single feature sets it apart.</p>')
    words = any(feature["kind"] == "word" for feature in card["features"])
    for name in ("typical", "doubtful"):
        if not card[name]:
            continue
        drawn = "" if not images else _image(f"{name} rows", images[name], len(card[name]))
        part = f"<div><h4>{name.capitalize()} rows</h4>{drawn}{_rows(card[name], name == 'doubtful', words)}</div>"
        if images and name == "typical":
            part = f'<div class="pair"><div><h4>Mean</h4>{_image("mean", images["mean"], 1)}</div>{part}</div>'
        parts.append(part)
    return f'<section class="card" style="border-top-color:{colour(c)}">{"".join(parts)}</section>'


def _feature(feature: dict, c: int, reach: float) -> str:
    effect = feature["effect"]
    width = 50 * abs(effect) / reach
    left = 50 if effect > 0 else 50 - width
    shade = "" if effect > 0 else ";opacity:.55"
    means = (number(feature[side], feature["kind"] in ("share", "word")) for side in ("inside", "outside"))
    cells = "".join(f'<td class="number">{mean}</td>' for mean in means)
    return (
        f'<tr><td class="name">{_name(feature["name"])}</td><td>'
        f'<div class="bar"><i style="left:{left:.1f}%;width:{width:.1f}%;background:{colour(c)}{shade}"></i></div></td>'
        f'<td class="number effect">{effect:+.1f}</td>{cells}</tr>'
    )


def _rows(rows: Sequence[dict], doubtful: bool, words: bool) -> str:
    """The rows of a card: a line each where there is something to say of each."""
    if not doubtful and not any(row["values"] for row in rows):
        return f'<p class="facts">{", ".join(map(_called, rows))}</p>'
    return f'<ul class="rows">{"".join(_row(row, doubtful, words) for row in rows)}</ul>'


def _called(row: dict) -> str:
    return f"row {row['row']}" if row["id"] is None else _name(row["id"])


def _row(row: dict, doubtful: bool, words: bool) -> str:
    text = f"<strong>{_called(row)}</strong>"
    if doubtful and row["other"] is not None:
        other = row["other"]
        text += (
            f" {_probability(row['confidence'])} here, {_probability(other['confidence'])} in {chip(other['cluster'])}"
        )
    values = [
        _name(name) if words else f"{_name(name)}&nbsp;<span>{number(value)}</span>"
        for name, value in row["values"].items()
    ]
    return f"<li>{text}" + (f'<span class="values">{", ".join(values)}</span>' if values else "") + "</li>"


def _image(name: str, png: bytes, columns: int) -> str:
    """A strip of images, each as large as those of all cards."""
    source = base64.b64encode(png).decode()
    width = f"width:{3.2 * columns:.1f}rem"
    return f'<div class="strip"><img alt="{name}" style="{width}" src="data:image/png;base64,{source}"></div>'


def _name(name: str) -> str:
    return escape(name if len(name) <= LONGEST else name[: LONGEST - 1] + "\u2026")


def number(value: float | str | None, share: bool = False) -> str:
    """A value as a person writes it: four digits, thousands apart, a share in percent, "missing" for none."""
    if value is None:
        return "missing"
    if isinstance(value, str):
        return _name(value)
    if share:
        return _share(value)
    if value == 0 or 1e-3 <= abs(value) < 1e15:
        decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def _probability(value: float) -> str:
    """Three digits, and no certainty that is none."""
    return "&lt; 0.001" if value < 0.001 else "&gt; 0.999" if value > 0.999 else f"{value:.3f}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if 0 < value < 1 else f"{100 * value:.0f} %"
