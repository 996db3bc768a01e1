"""Python rules of this repository.  BUILD files load them from here only.

The repository's root is the Python package `gradlet`: programs and tests start
through launcher.py, which arranges that.

@rules_python is the real one with Bazel >= 7 (MODULE.bazel) and a stub over the
built-in rules with Bazel 4 (third_party/bazel_compat).
"""

load("@rules_python//python:defs.bzl", _py_binary = "py_binary", _py_library = "py_library", _py_test = "py_test")

# What is no program, and belongs to no package.
_LEFT_OUT = ["**/__pycache__/**", "**/*.pyc", "**/*.egg-info/**", "**/BUILD", "**/*.md"]

def py_library(name, **kwargs):
    _py_library(name = name, **kwargs)

def python_package(name, deps = [], **kwargs):
    """A library of everything in this folder, and in those below without a BUILD file.

    A new file needs no new line: Python is a source, whatever else there is
    (C sources, linker scripts, tables) is data.  Tests are left out.

    Args:
      name: name of the library: that of the folder.
      deps: Python libraries.
      **kwargs: as for py_library.
    """
    _py_library(
        name = name,
        srcs = native.glob(["**/*.py"], exclude = _LEFT_OUT + ["**/*_test.py"], allow_empty = True),
        data = native.glob(["**"], exclude = _LEFT_OUT + ["**/*.py"], allow_empty = True),
        deps = deps,
        **kwargs
    )

def _start_impl(ctx):
    main = ctx.actions.declare_file(ctx.attr.name + ".py")
    ctx.actions.write(main, """\
import os
import runpy
import sys

ROOT = os.path.abspath(__file__)[:-len({main})]
ARGS = {args}

if __name__ == "__main__":
    sys.exit(runpy.run_path(ROOT + "build_defs/launcher.py")["start"](ROOT, ARGS + sys.argv[1:]))
""".format(args = repr(ctx.attr.args), main = repr(main.short_path)))
    return [DefaultInfo(files = depset([main]))]

_start = rule(
    doc = "The main file of a program: hands over to launcher.py.",
    implementation = _start_impl,
    attrs = {"args": attr.string_list()},
)

def _module(src):
    """The module name of a source: "x.py" of this package, or a label."""
    path = src[2:].replace(":", "/") if src.startswith("//") else native.package_name() + "/" + src
    return "gradlet." + path[:-len(".py")].replace("/", ".")

def _program(rule, name, srcs, start, deps, **kwargs):
    _start(
        name = name + "_main",
        args = start,
        testonly = kwargs.get("testonly"),
        visibility = ["//visibility:private"],
    )
    rule(
        name = name,
        srcs = srcs + [name + "_main"],
        main = name + "_main.py",
        # No __init__.py files out of nothing: packages are what the sources say.
        legacy_create_init = 0,
        deps = deps + ["//build_defs:launcher"],
        **kwargs
    )

def py_program(name, src, deps = [], start = None, **kwargs):
    """A program: `bazel run` of it does what `python -m gradlet.<package>.<src>` does.

    Args:
      name: name of the program.
      src: its main file, of this package or a label.
      deps: Python libraries.
      start: arguments that come before those of the user.
      **kwargs: as for py_binary.
    """
    _program(_py_binary, name, [src], [_module(src)] + (start or []), deps, **kwargs)

def program_test(name, src, deps = [], size = "small", **kwargs):
    """A test which passes if the program does."""
    _program(_py_test, name, [src], [_module(src)], deps, size = size, **kwargs)

def pytest_test(name, srcs, deps = [], size = "small", **kwargs):
    """A test which runs pytest on srcs.

    --test_filter=EXPR is given to pytest as -k EXPR.  shard_count works.  test.xml
    has one entry for each test function.

    Args:
      name: name of the test target.
      srcs: test files.
      deps: Python libraries (pytest itself need not be named).
      size: as for py_test.
      **kwargs: as for py_test (args, data, tags, shard_count, ...).
    """
    files = [native.package_name() + "/" + src for src in srcs]
    data = kwargs.pop("data", []) + ["//:pyproject.toml"]
    _program(_py_test, name, srcs, ["pytest"] + files, deps + ["//build_defs:pytest_plugin"], size = size, data = data, **kwargs)

def pytest_tests(name, deps = [], size = "small", sizes = {}, shard_counts = {}, deps_of = {}, **kwargs):
    """One pytest_test for each *_test.py, and a library of all other files.

    They are taken from this folder and from those below without a BUILD file.  The
    tests see the library; those of other packages may name it in their deps.

    Args:
      name: name of the library: that of the folder.
      deps: Python libraries of the library and of every test.
      size: size of every test that has none in sizes.
      sizes: sizes of some tests, by name ("x_test", "folder/y_test").
      shard_counts: into how many parts some tests are divided.
      deps_of: more deps of some tests.
      **kwargs: of every test, as for py_test (tags, data, ...).
    """
    python_package(
        name = name,
        testonly = 1,
        visibility = ["//tests:__subpackages__", "//benchmarks:__subpackages__"],
        deps = deps,
    )
    native.filegroup(
        # The tests themselves, for one that runs them elsewhere.
        name = "all_files",
        testonly = 1,
        srcs = native.glob(["**/*.py"], allow_empty = True),
        visibility = ["//tests:__subpackages__"],
    )
    tests = [src[:-len(".py")] for src in native.glob(["**/*_test.py"], allow_empty = True)]
    for table in [sizes, shard_counts, deps_of]:
        for test in table:
            if test not in tests:
                fail("there is no %s.py in %s" % (test, native.package_name()))
    for test in tests:
        pytest_test(
            name = test,
            srcs = [test + ".py"],
            size = sizes.get(test, size),
            shard_count = shard_counts.get(test),
            deps = [":" + name] + deps + deps_of.get(test, []),
            **kwargs
        )
