"""Prints `N passed, N failed` for a run of Bazel: count_tests.py BUILD_EVENTS EXIT_STATUS.

A target without a test.xml of its own (it crashed, ran out of time or was not built) counts as one that failed.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

PASSED = ("PASSED", "FLAKY")


def events(path: Path) -> Iterator[dict[str, Any]]:
    """The build events; the last one is cut off if Bazel was killed."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def cases(xml: Path) -> tuple[int, int]:
    """How many tests of a test.xml passed, and how many failed."""
    tests = list(ElementTree.parse(xml).getroot().iter("testcase"))
    failed = sum(test.find("failure") is not None or test.find("error") is not None for test in tests)
    skipped = sum(test.find("skipped") is not None for test in tests)
    return len(tests) - failed - skipped, failed


def result(event: dict[str, Any]) -> tuple[int, int]:
    """What the run of one test target, or of one shard of it, has counted; one that Bazel gave up has no result."""
    found = event.get("testResult", {})
    outputs = found.get("testActionOutput", [])
    files = [Path(unquote(urlparse(output["uri"]).path)) for output in outputs if output["name"] == "test.xml"]
    passed, failed = cases(files[0]) if files and files[0].exists() else (0, 0)
    if found.get("status") in PASSED:
        return passed, failed
    return passed, max(failed, 1)


def count(path: Path) -> tuple[int, int]:
    """The tests that passed, and those that failed, by a file of build events."""
    results, unbuilt = {}, set()
    for event in events(path):
        if run := event["id"].get("testResult"):
            results[run["label"], run.get("run", 0), run.get("shard", 0)] = result(event)
        if (target := event["id"].get("targetCompleted")) and not event.get("completed", {}).get("success"):
            unbuilt.add(target["label"])
    tested = {label for label, _, _ in results}
    passed = sum(good for good, _ in results.values())
    return passed, sum(bad for _, bad in results.values()) + len(unbuilt - tested)


def main(path: str, status: str) -> int:
    passed, failed = count(Path(path))
    if status != "0" and not failed:  # no Bazel, or a BUILD file that cannot be read
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0 or passed == 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
