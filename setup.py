"""Lists the packages: setuptools cannot find them where the root of the repository is one itself."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ["autodiff", "backends", "examples", "frontends", "ir", "optimizers", "proto", "targets", "tools"]
ROOT = Path(__file__).parent


def packages() -> list[str]:
    """`gradlet` and each folder below the shipped ones: what lies there is Python, or data of it."""
    files = (path.relative_to(ROOT) for top in SHIPPED for path in (ROOT / top).rglob("*") if path.is_file())
    folders = {folder for path in files if "__pycache__" not in path.parts for folder in path.parents if folder.parts}
    return ["gradlet", *sorted(".".join(("gradlet", *folder.parts)) for folder in folders)]


class BuildPackage(build_py):
    """Leaves out the modules of the root that are no part of the package."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found = super().find_package_modules(package, package_dir)
        return [row for row in found if row[:2] not in (("gradlet", "conftest"), ("gradlet", "setup"))]


setup(packages=packages(), cmdclass={"build_py": BuildPackage})
