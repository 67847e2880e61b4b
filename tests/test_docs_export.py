"""The table of exported files is that of what was measured."""

from engram.tools.core_files import core_names
from engram.tools.document_cores import with_tables
from engram.tools.export_table import BEGIN, END, FOUND, PAGE, make_table


def test_a_line_for_each_core_as_it_was_measured_last(tmp_path):
    found = tmp_path / "found.jsonl"
    found.write_text(
        '{"core": "s5", "why_not": "ValueError: not yet"}\n'
        '{"core": "gru", "onnx/why_not": "NoOperation: sort", "pt2/1": 3.04e-06, "pt2/32": 0.0}\n'
        '{"core": "s5", "onnx/1": 1.2e-07, "onnx/32": 1e-12, "pt2/1": 0.0, "pt2/32": 0.5}\n'
    )
    assert make_table(found).splitlines()[2:] == [
        "| `gru` | NoOperation: sort | NoOperation: sort | 3e-6 | 0 |",
        "| `s5` | 1e-7 | 1e-12 | 0 | 5e-1 |",
    ]


def test_the_page_holds_what_was_measured_of_every_core():
    page, table = PAGE.read_text(), make_table(FOUND)
    assert page == with_tables(page, table, BEGIN, END), "run python -m engram.tools.export_table"
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == core_names()
