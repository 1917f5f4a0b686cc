"""A hook of MkDocs: pages show figures of benchmarks/results, which lies beside docs/ and not in it.

In the repository a page names them "../../benchmarks/results/name.csv", which a reader of the files can follow. In the
site they are copied to benchmarks/results/, one folder nearer, and the links lead there.
"""

from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benchmarks/results"


def on_files(files, config):
    """Add the figures and their numbers to the site."""
    for path in sorted((ROOT / RESULTS).rglob("*")):
        if path.suffix in (".png", ".csv"):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Let links into benchmarks/results lead to the copies."""
    return markdown.replace(f"../{RESULTS}/", f"{RESULTS}/")
