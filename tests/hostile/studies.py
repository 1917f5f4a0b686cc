"""Folders of several runs whose plans and summaries were altered, and links laid under files that are written."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from .case import Case
from .folders import JSONS, REPORT, Change, altered, folder_at, gone, keys, put

KINDS = ("seeds", "restarts", "sweep")
PLANS = {"seeds": "seeds.json", "restarts": "restarts.json", "sweep": "clusters.json"}
VALUES = {
    "no values": {"values": ...},
    "no config": {"config": ...},
    "values of text": {"values": "ab"},
    "values of none": {"values": []},
    "values of null": {"values": None},
    "values of lists": {"values": [[0], [1]]},
    "values of words": {"values": ["a", "b"]},
    "a value below 0": {"values": [-1, 0]},
    "a value twice": {"values": [0, 0]},
    "a value of 10^30": {"values": [10**30]},
    "a config of text": {"config": "mnist"},
    "a config of none": {"config": {}},
    "a config of a list": {"config": [1]},
    "an unknown setting": {"config": {"colour": 1}},
}
VICTIM = "victim.txt"


def resumes(kind: str) -> tuple[str, tuple[str, ...]]:
    return "train", ("--resume", kind, "--no-export", "--quiet")


def unfinished(kind: str, change: Change) -> Change:
    """A study of which only the summary is missing, then altered."""

    def both(study: Path) -> None:
        for name in ("summary.json", "metrics.json", "clusters.png"):
            (study / name).unlink(missing_ok=True)
        change(study)

    return both


def study_cases() -> Iterator[Case]:
    def of(kind: str, name: str, change: Change, names: tuple[str, ...], command=None, **facts) -> Case:
        command = command or resumes(kind)
        case = altered(f"{kind}, {name}", command, change, names, needs=(kind,), **facts)
        return Case(**{**vars(case), "make": lambda place: change(place / kind)})

    for kind in KINDS:
        plan = PLANS[kind]
        for name in ("empty", "a list", "null", "100,000 brackets", "no UTF-8", "5,000 digits"):
            yield of(kind, f"{plan}: {name}", unfinished(kind, put(plan, JSONS[name])), (plan,))
        yield of(kind, f"{plan}: a folder", unfinished(kind, folder_at(plan)), (plan,))
    for name, values in VALUES.items():
        yield of(
            "seeds", f"seeds.json: {name}", unfinished("seeds", keys("seeds.json", **values)), ("seeds.json", "seeds")
        )
    yield of(
        "sweep",
        "clusters.json: clusters of 0",
        unfinished("sweep", keys("clusters.json", values=[0, 2])),
        ("clusters.json",),
    )
    evaluate, predict = (
        ("evaluate", ("seeds", "--no-figures", "--json", "--quiet")),
        ("predict", ("seeds", "--data", "rows.npy")),
    )
    yield of("seeds", "plan of brackets", put("seeds.json", JSONS["100,000 brackets"]), ("seeds",), predict)
    yield of(
        "seeds",
        "no run finished",
        lambda study: [(study / f"seed-{i}" / "metrics.json").unlink() for i in (0, 1)],
        ("--resume",),
        evaluate,
    )
    yield of(
        "seeds",
        "a folder of another name",
        lambda study: (study / "seed-0").rename(study / "seed-zero"),
        ("seed",),
        evaluate,
    )
    for name in ("empty", "a list", "an empty object", "100,000 brackets"):
        change = unfinished("seeds", put("seed-0/metrics.json", JSONS[name]))
        yield of("seeds", f"seed-0/metrics.json: {name}", change, ("metrics.json",))
        change = unfinished("restarts", put("restart-0/metrics.json", JSONS[name]))
        yield of("restarts", f"restart-0/metrics.json: {name}", change, ("metrics.json",))
        drawn = [put("summary.json", JSONS[name]), lambda study: (study / "clusters.png").unlink(missing_ok=True)]
        yield of(
            "sweep",
            f"summary.json: {name}",
            lambda study, drawn=drawn: [step(study) for step in drawn],
            ("summary.json",),
        )
    for name, values in {
        "rows of text": {"rows": "ab"},
        "no rows": {"rows": []},
        "rows of numbers": {"rows": [1, 2]},
    }.items():
        yield of(
            "sweep",
            f"summary.json: {name}",
            lambda study, values=values: (
                keys("summary.json", **values)(study),
                (study / "clusters.png").unlink(missing_ok=True),
            ),
            ("summary.json",),
        )
    yield of(
        "seeds",
        "seed-1: a file",
        unfinished("seeds", lambda study: (shutil.rmtree(study / "seed-1"), (study / "seed-1").write_text("x"))),
        ("seed-1",),
    )
    yield of(
        "seeds", "seed-1/model.keras: empty", unfinished("seeds", put("seed-1/model.keras", b"")), ("model.keras",)
    )
    yield of(
        "seeds",
        "seed-1/config.json: other data",
        unfinished(
            "seeds", lambda study: (gone("seed-1/metrics.json")(study), keys("seed-1/data.json", crc32=1)(study))
        ),
        ("--resume", "seed-1"),
    )
    yield of(
        "sweep",
        "k-2/checkpoints/pretrained.npz: empty",
        unfinished("sweep", put("k-2/checkpoints/pretrained.npz", b"")),
        ("pretrained.npz",),
    )
    yield of(
        "sweep",
        "k-2/checkpoints/pretrained.npz: gone",
        unfinished("sweep", gone("k-2/checkpoints/pretrained.npz")),
        ("pretrained",),
    )
    yield of(
        "sweep", "k-3/checkpoints/start.npz: gone", unfinished("sweep", gone("k-3/checkpoints/start.npz")), ("start",)
    )


def laid(path: str, content: str = "words of a thesis\n") -> Change:
    """A link under a file of the run folder, to a file outside it that must not change."""

    def change(run: Path) -> None:
        (run.parent / VICTIM).write_text(content)
        (run / path).unlink(missing_ok=True)
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).symlink_to(run.parent.resolve() / VICTIM)

    return change


def dangling(path: str) -> Change:
    """A link under a file of the run folder to a file that is not there, and must not be made."""

    def change(run: Path) -> None:
        (run / path).unlink(missing_ok=True)
        (run / path).symlink_to("../made.txt")

    return change


def link_cases() -> Iterator[Case]:
    resume, exporting = (
        ("train", ("--resume", "half", "--no-export", "--quiet")),
        ("train", ("--resume", "half", "--quiet")),
    )
    for path in ("report.html", "report.html.tmp", ".report.html.tmp", "figures/code.png", "figures/history.png"):
        yield altered(f"a link under {path}", REPORT, laid(path), (path,), ends="either")
    for path in (
        "metrics.csv",
        "model.keras",
        "unfinished-model.keras",
        "model.keras.tmp",
        "assignments.csv",
        "checkpoints/partition.npz",
        "metrics.json.tmp",
        "checkpoints/state.npz.tmp",
        "checkpoints/pretrained.npz.tmp",
        "tensorboard/fit/metadata.tsv",
        "tensorboard/fit/tensors.tsv",
        "tensorboard/fit/projector_config.pbtxt",
    ):
        yield altered(f"a link under {path}", resume, laid(path), (path,), ends="either")
    for path in ("metrics.json", "model.keras", "assignments.csv"):
        yield altered(f"a link to nothing under {path}", resume, dangling(path), (path,), ends="either")
    yield altered("a link under metrics.json", resume, laid("metrics.json", json.dumps({"n": 1})), ("--resume",))
    yield altered(
        "a link under report.html, elsewhere",
        ("evaluate", ("run", "--out", "look", "--quiet")),
        lambda run: laid("report.html")(run.parent / "look"),
        ("report.html",),
        ends="either",
    )
    for path in ("figures", "report.html"):
        other = put(path, b"words") if path == "figures" else folder_at(path)
        yield altered(f"{path}: {'a file' if path == 'figures' else 'a folder'}", REPORT, other, (path, "--out"))
    for path in ("tensorboard", "assignments.csv", "model.keras", "metrics.csv"):
        other = put(path, b"words") if path == "tensorboard" else folder_at(path)
        yield altered(
            f"{path}: {'a file' if path == 'tensorboard' else 'a folder'}",
            resume,
            other,
            (path, "half"),
            ends="either",
            writes=("half",),
        )
    late = {"ends": "either", "writes": ("half",)}  # trained, and then not written
    yield altered("export: a file", exporting, put("export", b"words"), ("export",), **late)
    yield altered(
        "export/1: a file",
        exporting,
        lambda run: ((run / "export").mkdir(), (run / "export" / "1").write_text("x")),
        ("export",),
        **late,
    )


STUDIES = [*study_cases(), *link_cases()]
