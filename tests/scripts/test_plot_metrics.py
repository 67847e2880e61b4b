"""Metrics of any length: what is read of them takes no room but for the numbers that are needed."""

import json
import tracemalloc

import numpy as np
from synthetic_runs import write_run

from engram.analysis import run_figures as figures
from engram.analysis.metrics import EVALUATION, STEPS, TRAINING
from engram.analysis.runs import Run, read_run


def test_a_long_log_is_read_line_by_line(tmp_path):
    """Six megabytes of lines with 24 numbers each: half a megabyte of columns, and no more than one line beside."""
    folder = write_run(tmp_path)
    line = {"charts/episodic_return": 0.5, "time/collect_seconds": 1.0, "time/update_seconds": 0.25}
    line |= {f"losses/part_{number}": number / 7 for number in range(20)}
    text = "".join(json.dumps({"env_steps": 64 * step, **line}) + "\n" for step in range(1, 10_001))
    (folder / "metrics.jsonl").write_text(text)
    assert len(text) > 6_000_000
    del text
    figures.draw_learning_curve(folder, "warm")
    for use in (read_run, lambda folder: figures._read_series(folder / "metrics.jsonl")):
        tracemalloc.start()
        found = use(folder)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_500_000, peak
        if isinstance(found, Run):
            assert len(found.steps) == 10_000 and found.seconds[-1] == 12_500
            assert np.isnan(found.metrics.columns[EVALUATION]).all()


def test_lines_are_read_again_as_they_stand(tmp_path):
    """An archive keeps whole numbers whole, and no line that came after the report was made."""
    folder = write_run(tmp_path, returns=(1, 2.5), evaluations=(None,))
    found = read_run(folder)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"env_steps": 3000, "charts/episodic_return": 9}\n')
    lines = [(repr(line[STEPS]), repr(line[TRAINING])) for line in found.lines]
    assert lines == [("1000", "1"), ("2000", "2.5")]
