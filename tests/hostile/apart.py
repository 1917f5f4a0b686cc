"""A process of its own for the cases that could end the process: `Apart` here, and below what runs there."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from .case import Case, outcome
from .judge import PASSED

TESTS = Path(__file__).resolve().parent.parent


class Apart:
    """Runs cases in another process, which is started when first needed, and again after a case has ended it."""

    def __init__(self):
        self.process: subprocess.Popen | None = None

    def outcome(self, case: Case, folder: Path) -> tuple[str, list[str]]:
        """As `case.outcome`; that the process ended is a fault as well."""
        process = self._running()
        stop = threading.Timer(2 * PASSED, process.kill)  # native code hears no alarm
        stop.start()
        try:
            process.stdin.write(json.dumps([case.name, str(folder)]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            stop.cancel()
        if not answer:
            return "ended", [f"the process ended with {process.wait()}"]
        end, faults = json.loads(answer)
        return end, faults

    def _running(self) -> subprocess.Popen:
        if self.process is None or self.process.poll() is not None:
            paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hostile.apart"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": paths},
            )
        return self.process

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


class Capture:
    """What is written to stdout and stderr from here on, by native code too; as pytest's `capfd`."""

    def __init__(self):
        self.files = []
        for number in (1, 2):
            file = tempfile.TemporaryFile("w+")  # noqa: SIM115  it lives as long as the process
            os.dup2(file.fileno(), number)
            self.files.append(file)

    def readouterr(self):
        texts = []
        for stream, file in zip((sys.stdout, sys.stderr), self.files, strict=True):
            stream.flush()
            file.seek(0)
            texts.append(file.read())
            file.seek(0)
            file.truncate()
        return type("Shown", (), {"out": texts[0], "err": texts[1]})


def serve() -> None:
    """Run the cases whose names come on stdin, each in the folder given with it; answer a line each."""
    from .test_folders import CASES as FOLDERS
    from .test_inputs import CASES

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answers = os.fdopen(os.dup(1), "w")
    capture = Capture()
    cases = {case.name: case for case in (*CASES, *FOLDERS)}
    for line in sys.stdin:
        name, folder = json.loads(line)
        os.chdir(folder)
        print(json.dumps(outcome(cases[name], Path(folder), capture)), file=answers, flush=True)


if __name__ == "__main__":
    serve()
