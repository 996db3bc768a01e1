"""Runs pytest as Bazel asks for it, with test files imported as modules of `gradlet`.

conftest.py loads this plugin too, for plain `pytest` in a checkout.
"""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


class _Module(pytest.Module):
    """A test file x/y_test.py, imported as gradlet.x.y_test."""

    def _getobj(self) -> ModuleType:
        name = self.path.relative_to(self.config.rootpath).with_suffix("")
        return importlib.import_module(".".join(("gradlet", *name.parts)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--regenerate"):
        os.environ["GRADLET_REGENERATE"] = "1"  # read by tests/golden_files.py, also in processes of xdist


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return _Module.from_parent(parent, path=module_path)


class _Shard:
    """Keeps every n-th test, as Bazel's sharding protocol asks."""

    def __init__(self, index: int, total: int):
        self.index, self.total = index, total
        self.seen = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self.seen = len(items)
        others = [item for k, item in enumerate(items) if k % self.total != self.index]
        config.hook.pytest_deselected(items=others)
        items[:] = items[self.index :: self.total]


def _arguments() -> list[str]:
    """What the environment variables of Bazel's test protocol mean for pytest."""
    env = os.environ
    args = ["--rootdir=.", "-ra", "-p", "no:cacheprovider"]
    if "XML_OUTPUT_FILE" in env:
        args += ["--junitxml=" + env["XML_OUTPUT_FILE"], "-o", "junit_family=xunit2"]
    if "TEST_TMPDIR" in env:
        args.append("--basetemp=" + os.path.join(env["TEST_TMPDIR"], "pytest"))
    if env.get("TESTBRIDGE_TEST_ONLY"):
        args += ["-k", env["TESTBRIDGE_TEST_ONLY"]]
    if env.get("TESTBRIDGE_TEST_RUNNER_FAIL_FAST") == "1":
        args.append("-x")
    return args


def main(root: str, argv: list[str]) -> int:
    """Runs pytest in root; returns the exit status that Bazel shall see."""
    env = os.environ
    os.chdir(root)
    total = int(env.get("TEST_TOTAL_SHARDS", "1"))
    shard = _Shard(int(env.get("TEST_SHARD_INDEX", "0")), total)
    if "TEST_SHARD_STATUS_FILE" in env:
        Path(env["TEST_SHARD_STATUS_FILE"]).touch()

    plugins = [sys.modules[__name__], *([shard] if total > 1 else [])]
    status = pytest.main(_arguments() + argv, plugins=plugins)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and (shard.seen or env.get("TESTBRIDGE_TEST_ONLY")):
        # An empty share of the tests, or a filter meant for other targets, is no error; nothing
        # at all is one (a misnamed test file would pass unseen).
        return 0
    return int(status)
