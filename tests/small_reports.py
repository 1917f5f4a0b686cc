"""What the tests of the report share: a table of every kind of column, assignments, a parser of the page, a browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas

from vade_tf.training.posterior import Assignments

HOSTILE = "</td><script>alert('x')</script><img src=x onerror=alert(1)>\"&amp;"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def opened(file, *flags):
    """A page as Chromium has it in the end, and what its console said."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"]
    command += [f"--user-data-dir={file.parent / 'profile'}", "--dump-dom", *flags, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, re.findall(".*CONSOLE.*", done.stderr)


def found_of(groups, confidence=None, m=None):
    """Assignments of two to many clusters: the given confidence for the group, the rest shared by the others."""
    n, k = len(groups), groups.max() + 1
    confidence = np.full(n, 0.9) if confidence is None else confidence
    gamma = np.repeat((1 - confidence)[:, None] / (k - 1), k, axis=1)
    gamma[np.arange(n), groups] = confidence
    return Assignments(np.zeros((n, 1)) if m is None else m, np.log(gamma))


def a_table(rng, n=300):
    """A table of every kind of column, and groups that some of them depend on."""
    groups = np.arange(n) % 3
    sizes = ["small", "medium", "large"]
    columns = {
        "age": 40.0 + 10 * groups + rng.normal(0, 5, n),
        HOSTILE: rng.normal(groups == 1, 0.5),
        "colour": np.where(rng.uniform(size=n) < 0.8, np.array(["red", "green", "blue"])[groups], "grey"),
        "member": np.where(rng.uniform(size=n) < 0.2 + 0.6 * (groups == 2), "yes", "no"),
        "joined": pandas.to_datetime("2020-01-01") + pandas.to_timedelta(groups * 100 + rng.integers(0, 9, n), "D"),
        "size": pandas.Categorical(np.array(sizes)[(groups + (rng.uniform(size=n) < 0.1)) % 3], sizes, ordered=True),
    }
    return groups, pandas.DataFrame(columns)


class Outline(HTMLParser):
    """Checks that every tag is closed in order; collects texts, tags, and what would be fetched."""

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
