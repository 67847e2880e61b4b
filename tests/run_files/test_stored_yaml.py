"""YAML from anybody: plain values within bounds, whatever stands in it; what is written here always reads."""

import pytest

from engram.common.errors import UsageError
from engram.run_files.run_folder import read_config
from engram.run_files.stored_yaml import read_yaml, yaml_text
from engram.scripts.sweeps.manifest import read_manifest

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghijkl"
)
REFUSED = {
    "bomb": (BOMB, r"refers to another part of itself, \*a"),
    "itself": ("agent: &x {a: *x}\n", r"refers to another part of itself, \*x"),
    "list of itself": ("&x [*x]\n", "refers to another part"),
    "merged": ("a: &a {b: 1}\nc: {<<: *a}\n", "refers to another part"),
    "as a key": ("a: &a b\n*a : 1\n", "refers to another part"),
    "deep flow": ("a: " + "[" * 900 + "]" * 900, "nested deeper than 100 levels"),
    "deep lists": ("- " * 900 + "1", "nested deeper than 100 levels"),
    "deep blocks": ("".join(" " * level + "a:\n" for level in range(900)), "nested deeper than 100 levels"),
    "endless": ("[" * 50_000, "no YAML of plain values|nested deeper"),
    "long": ("a: " + "x" * (1 << 20), "more than 1,048,576 bytes"),
    "date": ("a: 2001-01-01\n", "a date, which is no plain value"),
    "time": ("a: 2001-01-01 12:00:00\n", "a datetime, which"),
    "bytes": ("a: !!binary aGVsbG8=\n", "a bytes, which"),
    "set": ("a: !!set {x, y}\n", "a set, which"),
    "pairs": ("a: !!pairs [x: 1]\n", "a tuple, which"),
    "date as a key": ("2001-01-01: 1\n", "a date, which"),
    "large": (f"a: 0x{'f' * 300}\n", "a whole number of more than 1000 bits"),
    "larger": (f"a: {'9' * 5000}\n", "a value that is none: Exceeds the limit"),
    "no date": ("a: 2001-99-99\n", "a value that is none: month must be"),
    "list as a key": ("? [a]\n: 1\n", "no YAML of plain values"),
    "two documents": ("a: 1\n---\nb: 2\n", "no YAML of plain values"),
    "other tag": ("a: !!python/name:os.system ''\n", "no YAML of plain values"),
    "control characters": ("a: \x1b[31m\n", "no YAML of plain values"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_value_is_refused_in_words(tmp_path, name):
    text, reason = REFUSED[name]
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(ValueError, match=reason) as caught:
        read_yaml(tmp_path / "file.yaml")
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "file.yaml").write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        read_yaml(tmp_path / "file.yaml")


def test_plain_values_are_read_as_they_are(tmp_path):
    value = {
        "a": [1, 2.5, True, None, "x", "2001-01-01", "null", "é"],
        "b": {"c": {}, "d": [], 3: 2**64},
        "e": [[["deep"]]],
    }
    (tmp_path / "file.yaml").write_text(yaml_text(value))
    assert read_yaml(tmp_path / "file.yaml") == value
    (tmp_path / "empty.yaml").write_text("")
    assert read_yaml(tmp_path / "empty.yaml") is None


def test_what_occurs_twice_is_written_twice(tmp_path):
    shared = [1, {"x": 2}]
    (tmp_path / "file.yaml").write_text(yaml_text({"a": shared, "b": shared, "c": {"d": shared}}))
    assert "&" not in (tmp_path / "file.yaml").read_text()
    assert read_yaml(tmp_path / "file.yaml") == {"a": shared, "b": shared, "c": {"d": shared}}


def test_a_run_and_a_sweep_say_which_file_it_is(tmp_path):
    for name in ("config.yaml", "sweep.yaml"):
        (tmp_path / name).write_text(BOMB)
    with pytest.raises(
        ValueError, match=r"config\.yaml is not; the file is damaged: it refers to another part"
    ):
        read_config(tmp_path)
    with pytest.raises(UsageError, match=r"sweep\.yaml does not; it is damaged"):
        read_manifest(tmp_path)
