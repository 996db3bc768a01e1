"""What a run of Bazel has counted is read from its build events."""

import json

import pytest

from gradlet.build_defs import count_tests

CASES = {
    "passed": "<testcase/>",
    "failed": "<testcase><failure/></testcase>",
    "error": "<testcase><error/></testcase>",
    "skipped": "<testcase><skipped/></testcase>",
}


@pytest.fixture
def write(tmp_path):
    """Writes events to a file; a test's event is (label, status, its cases or None for no test.xml, shard)."""

    def event(label: str, status: str, cases: list[str] | None, shard: int = 1) -> dict:
        xml = tmp_path / f"{label}{shard} %.xml"
        if cases is not None:
            xml.write_text(f"<testsuites><testsuite>{''.join(CASES[c] for c in cases)}</testsuite></testsuites>")
        outputs = [{"name": "test.log", "uri": "file:///log"}, {"name": "test.xml", "uri": xml.as_uri()}]
        run = {"label": label, "run": 1, "shard": shard, "attempt": 1}
        return {"id": {"testResult": run}, "testResult": {"status": status, "testActionOutput": outputs}}

    def write(*rows, more=""):
        lines = [json.dumps(event(*row) if isinstance(row, tuple) else row) for row in rows]
        path = tmp_path / "events.json"
        path.write_text("\n".join(lines) + more)
        return path

    return write


def test_cases_of_all_targets_and_shards_are_added(write):
    rows = (
        ("a", "PASSED", ["passed", "skipped"]),
        ("b", "FAILED", ["failed", "passed"], 1),
        ("b", "PASSED", ["passed"], 2),
    )
    assert count_tests.count(write(*rows)) == (3, 1)


def test_a_failure_and_an_error_count_alike(write):
    assert count_tests.count(write(("a", "FAILED", ["failed", "error"]))) == (0, 2)


@pytest.mark.parametrize("cases", [None, [], ["passed"]])
def test_a_target_that_failed_without_saying_where_counts_as_one(write, cases):
    assert count_tests.count(write(("a", "TIMEOUT", cases)))[1] == 1


def test_a_target_that_was_not_built_counts_as_one(write):
    done = {"id": {"targetCompleted": {"label": "a"}}, "completed": {"success": True}}
    broken = {"id": {"targetCompleted": {"label": "b"}}, "aborted": {}}
    assert count_tests.count(write(("a", "PASSED", ["passed"]), done, broken)) == (1, 1)


def test_a_target_that_failed_is_not_counted_as_unbuilt_too(write):
    broken = {"id": {"targetCompleted": {"label": "a"}}, "completed": {}}
    assert count_tests.count(write(("a", "FAILED", ["failed"]), broken)) == (0, 1)


def test_a_target_that_was_given_up_counts_as_one(write):
    given_up = {"id": {"testResult": {"label": "b"}}, "aborted": {"reason": "USER_INTERRUPTED"}}
    assert count_tests.count(write(("a", "PASSED", ["passed"]), given_up)) == (1, 1)


def test_events_may_be_cut_off(write):
    assert count_tests.count(write(("a", "PASSED", ["passed"]), more='\n{"id": {"test')) == (1, 0)


@pytest.mark.parametrize(
    ("cases", "status", "line", "code"),
    [
        (["passed"], "0", "1 passed, 0 failed", 0),
        (["passed"], "1", "1 passed, 1 failed", 1),
        ([], "0", "0 passed, 0 failed", 1),
    ],
)
def test_the_last_line_and_the_exit_status(write, capsys, cases, status, line, code):
    assert count_tests.main(str(write(("a", "PASSED", cases))), status) == code
    assert capsys.readouterr().out == line + "\n"
