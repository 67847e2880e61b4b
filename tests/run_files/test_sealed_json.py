"""Files that hold a checksum of themselves."""

import json
import math

import pytest

from engram.run_files.sealed_json import EditedFileError, check_seal, digest, sealed

DOCUMENT = {"mean": 1.5, "returns": [1, 2.0, None], "played": {"b": True, "a": "x"}}


def test_the_checksum_is_that_of_the_canonical_text():
    # printf '{"mean":1.5,"played":{"a":"x","b":true},"returns":[1,2.0,null]}' | sha256sum
    expected = "3402d162a22795e9532057c5f2fe302c64dd8256ad24dc5fdad7714dd112c8a9"
    assert sealed(DOCUMENT) == {**DOCUMENT, "checksum": expected}
    assert digest(dict(reversed(DOCUMENT.items()))) == expected


def test_what_was_written_is_taken_and_its_checksum_left_out():
    read = json.loads(json.dumps(sealed({"a": math.nan, "b": (1, 2)})))
    assert check_seal(read, "x.json") == {"a": None, "b": [1, 2]}
    assert check_seal(DOCUMENT, "x.json") == DOCUMENT  # of before


@pytest.mark.parametrize(
    "change",
    [
        {"mean": 1.25},
        {"returns": [1, 2.0]},
        {"returns": [2.0, 1, None]},
        {"played": {"b": 1, "a": "x"}},
        {"more": None},
        {"checksum": None},
        {"mean": math.nan},
        {3: 1},
        {"played": {1: 2, "b": 3}},
    ],
)
def test_what_was_edited_is_named(change):
    with pytest.raises(EditedFileError, match=r"x\.json was edited or damaged since: .*trust_edited=true\.$"):
        check_seal(sealed(DOCUMENT) | change, "x.json")
    with pytest.warns(UserWarning, match=r"x\.json .*; it is taken as it is"):
        taken = check_seal(sealed(DOCUMENT) | change, "x.json", trust_edited=True)
    assert taken.keys() == (DOCUMENT | change).keys() - {"checksum"}
