"""Taking C files apart."""

import re
from pathlib import Path

import pytest

from gradlet.backends.tinyengine.c_source import KERNELS, collect, read
from gradlet.ir.errors import CompileError

SHARED = """// What two files share.

#pragma once

#include <math.h>

#define SCALE 2.0f

static inline float scaled(float x) {
    return x * SCALE;
}
"""
KERNEL = """#include <stdint.h>

#include "shared.h"

// About the file; "quoted; {" braces in a comment do not count.

typedef struct {
    int rows;
} shape;

static const float table[2] = {1.0f, 2.0f};

/* Half of x. */
static float half(float x) {
    const char *brace = "}"; // } either
    return brace[0] == '{' ? 0.0f : 0.5f * x;
}

// Uses all.
static void first(float *y, shape s) {
#ifdef __ARM_FEATURE_DSP
    y[0] = 0.0f;
#endif
    for (int i = 0; i < s.rows; i++) {
        y[i] = table[i & 1] + half(scaled(y[i]));
    }
}

static void second(float *y) {
    y[0] = half(y[0]);
}
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "shared.h").write_text(SHARED)
    (tmp_path / "kernel.c").write_text(KERNEL)
    return tmp_path / "kernel.c"


def test_finds_every_definition_with_its_comment(kernel: Path):
    source = read(kernel)
    assert list(source.definitions) == ["shape", "table", "half", "first", "second"]
    assert source.definitions["half"].text.startswith("/* Half of x. */\nstatic float half(")
    assert source.definitions["shape"].text.startswith("typedef")
    assert source.headers == ("stdint.h",)


def test_collects_what_a_function_needs_before_it(kernel: Path):
    headers, found = collect([(kernel, "first")])
    names = [d.name for d in found]
    assert sorted(names) == ["SCALE", "first", "half", "scaled", "shape", "table"]
    assert names.index("SCALE") < names.index("scaled") < names.index("first") == len(names) - 1
    assert headers == ["math.h", "stdint.h"]


def test_takes_each_definition_once_and_nothing_else(kernel: Path):
    assert [d.name for d in collect([(kernel, "second")])[1]] == ["half", "second"]
    both = [d.name for d in collect([(kernel, "second"), (kernel, "first")])[1]]
    assert len(both) == len(set(both)) == 7


def test_words_in_comments_are_no_needs(kernel: Path):
    kernel.write_text(
        "static int one(void) {\n    return 1;\n}\n\n// Unlike one.\nstatic int two(void) {\n    return 2;\n}\n"
    )
    assert [d.name for d in collect([(kernel, "two")])[1]] == ["two"]


def test_mark_comes_after_the_comment(kernel: Path):
    assert read(kernel).definitions["first"].marked("KERNEL").startswith("// Uses all.\nKERNEL\nstatic void first")


def test_two_meanings_of_a_name_are_an_error_that_names_both_files(kernel: Path):
    other = kernel.with_name("other.c")
    other.write_text("static float half(float x) {\n    return x / 2.0f;\n}\n")
    with pytest.raises(CompileError, match=r"GL312.*half.*kernel\.c.*other\.c"):
        collect([(kernel, "second"), (other, "half")])


def test_same_text_in_two_files_is_taken_once(kernel: Path):
    copy = kernel.with_name("copy.c")
    copy.write_text(KERNEL)
    assert [d.name for d in collect([(kernel, "half"), (copy, "half")])[1]] == ["half"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#if 1\nstatic int f(void) {\n    return 1;\n}\n#endif\n", "only functions have conditions"),
        ("static int f(void) {\n    return 1;\n", "does not end"),
        ('#include "missing.h"\n', "missing.h, which is not there"),
        ("static int a[1] = {1};\nstatic int a[1] = {1};\n", "defined twice"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "bad.c").write_text(text)
    with pytest.raises(AssertionError, match=re.escape(message)):
        read(tmp_path / "bad.c")


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.[ch]")), ids=lambda p: p.name)
def test_our_kernel_files_fall_into_static_functions_tables_types_and_macros(path: Path):
    for definition in read(path).definitions.values():
        code = re.sub(r"^(//.*\n|/\*(.|\n)*?\*/\n)*", "", definition.text)
        assert code.startswith(("static ", "typedef ", "#define ")), definition.text
