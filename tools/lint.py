"""Checks the style and the types of the checkout with the pinned tools.

./bazelw run //tools:lint           checks
./bazelw run //tools:lint -- --fix  repairs what can be repaired
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CODE = ["*.c", "*.h"]
BAZEL = ["BUILD", "*.bzl", "WORKSPACE", "MODULE.bazel"]
_SEEN_ELSEWHERE = {"bazel_compat", "golden", "node_modules"}  # stubs; expected output; packages


def checkout() -> Path:
    """The root of the checkout: where `bazel run` was started, or where this file really lies."""
    return Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path(__file__).resolve().parents[1])


def sources(root: Path, patterns: list[str]) -> Iterator[str]:
    """The files of the checkout that match one of some patterns, relative to root."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "bazel-")) and f not in _SEEN_ELSEWHERE)
        here = Path(folder).relative_to(root)
        yield from (str(here / file) for file in sorted(files) if any(Path(file).match(p) for p in patterns))


def ruff(root: Path, fix: bool) -> list[str]:
    """Names, imports and suspicious constructs."""
    return [sys.executable, "-m", "ruff", "check", *(["--fix"] if fix else []), "."]


def ruff_format(root: Path, fix: bool) -> list[str]:
    """The layout of Python."""
    return [sys.executable, "-m", "ruff", "format", *([] if fix else ["--check"]), "."]


def mypy(root: Path, fix: bool) -> list[str]:
    """Types: strict in ir, autodiff and optimizers."""
    # mypy finds the package `gradlet` by its name.
    link = root / ".cache" / "mypy_path" / "gradlet"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root)
    folders = {Path(path).parts[0] for path in sources(root, ["*.py"]) if "/" in path}
    return [sys.executable, "-m", "mypy", *(f"-pgradlet.{folder}" for folder in sorted(folders))]


def clang_format(root: Path, fix: bool) -> list[str]:
    """The layout of C."""
    from clang_format import get_executable

    return [get_executable("clang-format"), *(["-i"] if fix else ["--dry-run", "-Werror"]), *sources(root, CODE)]


def buildifier(root: Path, fix: bool) -> list[str]:
    """The layout of BUILD files, and what they should not say. Nothing where there is no buildifier."""
    installed = root / ".cache" / "buildifier" / "node_modules" / ".bin" / "buildifier"
    program = shutil.which("buildifier") or (str(installed) if installed.exists() and shutil.which("node") else None)
    return [program, f"-mode={'fix' if fix else 'check'}", "-lint=warn", *sources(root, BAZEL)] if program else []


TOOLS: dict[str, Callable[[Path, bool], list[str]]] = {
    "ruff": ruff,
    "ruff_format": ruff_format,
    "mypy": mypy,
    "clang_format": clang_format,
    "buildifier": buildifier,
}


def run(root: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a tool in the checkout; what it says is in `stdout`."""
    environment = os.environ | {"MYPYPATH": str(root / ".cache" / "mypy_path")}
    return subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def main(argv: list[str]) -> int:
    root = checkout()
    failed = []
    for name, tool in TOOLS.items():
        command = tool(root, "--fix" in argv)
        if not command:
            print(f"{name}: not installed; npm install --prefix .cache/buildifier @bazel/buildifier@8.2.1")
            continue
        done = run(root, command)
        print(f"{name}: {'ok' if done.returncode == 0 else done.stdout.strip()}")
        if done.returncode:
            failed.append(name)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
