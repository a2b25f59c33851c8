"""Metrics are read once, whatever was torn or cut back, and thinned without losing an extreme."""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.metric_lines import AlikeLines, SingleLines, read_lines
from engine.runs.metrics import MetricsReader, MetricsWriter, decimate


def lines(*rows: dict) -> bytes:
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def assert_same(a: AlikeLines | SingleLines, b: AlikeLines | SingleLines) -> None:
    assert list(a.names) == list(b.names)
    assert a.count == b.count
    np.testing.assert_equal(a.last(), b.last())
    for name in [*a.names, "another"]:
        np.testing.assert_array_equal(a.column(name), b.column(name))


numbers = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
values = numbers | st.none() | st.booleans() | st.sampled_from(["1.5", "", 10**400, [1, 2], {}, {"step": 1}])
names = st.text(min_size=1, max_size=6).filter(lambda name: name not in ("step", "time"))


@given(st.lists(names, max_size=3, unique=True), st.data())
def test_the_fast_way_equals_the_readable_one(keys, data):
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries({"step": numbers, "time": numbers, **dict.fromkeys(keys, values)}),
            min_size=1,
            max_size=6,
        )
    )
    assert_same(read_lines(lines(*rows)), SingleLines.of(lines(*rows)))


def test_alike_lines_and_others_are_read_all_the_same():
    alike = lines(*({"step": i, "time": i / 10, "loss": -1e-7 * i, "7e+": 1} for i in range(50)))
    assert isinstance(read_lines(alike), AlikeLines)
    assert_same(read_lines(alike), SingleLines.of(alike))
    mixed = read_lines(alike + lines({"step": 51, "time": 6, "score": 0.5}, {"step": 52, "time": 7, "loss": None}))
    assert np.isnan(mixed.column("score")[:50]).all()
    assert mixed.column("score")[50] == 0.5
    assert np.isnan(mixed.column("loss")[51])


@pytest.mark.parametrize(
    "other",
    [
        {"step": 3, "time": 3.0, "rate": 1.5},  # another key of the same length
        {"step": 3, "loss": 1.5, "time": 3.0},
        {"step": 3, "time": 3.0, "loss": 1.5, "rate": 2.0},
        {"step": 3, "time": 3.0},
        {"step": 3, "time": 3.0, "loss": "1,2"},
        {"step": 3, "time": 3.0, "loss": [1, 2]},
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_lines_are_alike_only_when_every_key_is_in_its_place(other, place):
    rows = [{"step": i, "time": i / 2, "loss": 0.5 * i} for i in range(2)]
    rows.insert(place, other)
    assert AlikeLines.of(lines(*rows)) is None
    assert_same(read_lines(lines(*rows)), SingleLines.of(lines(*rows)))


@pytest.mark.parametrize("value", ["null", "NaN", "-Infinity", "true", "[1]", "[]", "-0.0", "1e-320", "9" * 400])
@pytest.mark.parametrize("num_lines", [1, 3])
def test_values_that_are_no_usual_numbers_among_alike_lines(value, num_lines):
    text = b"".join(b'{"step":%d,"time":%d.5,"loss":%s}\n' % (i, i, value.encode()) for i in range(num_lines))
    assert isinstance(read_lines(text), AlikeLines)
    assert_same(read_lines(text), SingleLines.of(text))
    assert_same(
        read_lines(text + lines({"step": 9, "time": 9, "loss": 1.0})),
        SingleLines.of(text + lines({"step": 9, "time": 9, "loss": 1.0})),
    )


def test_a_damaged_value_among_alike_lines_hides_nothing_else():
    text = b'{"step":1,"time":0,"loss":1.5}\n{"step":2,"time":1,"loss":1.2.3}\n{"step":3,"time":2,"loss":0.5}\n'
    metrics = read_lines(text)
    np.testing.assert_array_equal(metrics.column("loss"), [1.5, math.nan, 0.5])
    np.testing.assert_array_equal(metrics.column("step"), [1, 2, 3])


@pytest.mark.parametrize(
    "junk", [b"not json\n", b"[1,2]\n", b"\n", b'{"step":1}\n', b'{"step":1,"time":"x","a":[1]}\n']
)
def test_a_damaged_line_does_not_hide_the_others(junk):
    good = lines({"step": 1, "time": 0.5, "loss": 2.0})
    assert 2.0 in read_lines(good + junk + good).column("loss")


def test_a_torn_last_line_waits_until_it_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    whole = lines({"step": 1, "time": 0.1, "loss": 3.0}, {"step": 2, "time": 0.2, "loss": 1.0})
    path.write_bytes(whole[:-9])
    reader = MetricsReader(path)
    assert reader.poll()
    assert reader.columns["loss"].tolist() == [3.0]
    assert not reader.poll()
    path.write_bytes(whole)
    assert reader.poll()
    assert reader.columns["loss"].tolist() == [3.0, 1.0]


def write_runs(path, losses) -> None:
    path.write_bytes(lines(*({"step": i, "time": i / 10, "loss": loss} for i, loss in enumerate(losses))))


@pytest.mark.parametrize("wanted", [(), ("loss",), ("loss", "step", "nothing")])
def test_what_was_wanted_and_what_is_asked_for_later_are_the_same(tmp_path, wanted):
    path = tmp_path / "metrics.jsonl"
    losses = np.random.default_rng(0).random(20_000).tolist()  # several blocks
    write_runs(path, losses[:9_000])
    reader = MetricsReader(path)
    assert reader.poll(wanted)
    write_runs(path, losses)
    early = reader.columns
    assert reader.poll(wanted)
    assert "nothing" not in reader.columns
    assert list(reader.columns) == ["step", "time", "loss"]
    np.testing.assert_array_equal(reader.columns["loss"], losses)
    np.testing.assert_array_equal(reader.columns["step"], np.arange(20_000))
    assert reader.columns.last == {"step": 19_999, "time": 1999.9, "loss": losses[-1]}
    np.testing.assert_array_equal(early["loss"], losses[:9_000])  # as they were, though the file has grown
    np.testing.assert_array_equal(early["time"], np.arange(9_000) / 10)


def test_a_column_asked_for_after_the_file_was_cut_back_keeps_its_length(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_runs(path, [3.0, 2.0, 1.0])
    reader = MetricsReader(path)
    reader.poll(["step"])
    write_runs(path, [3.0])
    assert reader.columns["step"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(reader.columns["loss"], np.full(3, math.nan))
    path.unlink()
    np.testing.assert_array_equal(reader.columns["time"], np.full(3, math.nan))
    write_runs(path, [3.0, 2.5])
    assert reader.poll()
    assert reader.columns["loss"].tolist() == [3.0, 2.5]


def test_a_missing_file_is_empty(tmp_path):
    reader = MetricsReader(tmp_path / "none.jsonl")
    assert not reader.poll()
    assert not reader.columns


def test_what_came_after_the_checkpoint_is_cut_off_and_the_reader_notices(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = MetricsWriter(path, keep_bytes=0)
    for step in range(5):
        writer.append({"step": step, "time": step, "loss": float(step)})
    kept = writer.sync()
    writer.append({"step": 5, "time": 5, "loss": 5.0})
    writer.close()
    reader = MetricsReader(path)
    reader.poll()
    with open(path, "ab") as file:
        file.write(b'{"step":6,"ti')  # torn by a kill
    writer = MetricsWriter(path, keep_bytes=kept)
    for step in (5, 6, 7):
        writer.append({"step": step, "time": step, "loss": -1.0})
    writer.close()
    assert reader.poll()
    assert reader.columns["step"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert reader.columns["loss"].tolist() == [0, 1, 2, 3, 4, -1, -1, -1]


def test_values_that_are_not_finite_are_written_as_null(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = MetricsWriter(path, keep_bytes=0)
    writer.append({"step": 1, "time": 0.0, "loss": math.nan, "score": math.inf, "n": None})
    writer.close()
    assert json.loads(path.read_text()) == {"step": 1, "time": 0.0, "loss": None, "score": None, "n": None}


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=300).map(np.array),
    st.integers(min_value=2, max_value=50),
)
def test_thinning_keeps_every_extreme_of_every_stretch(value, num_points):
    value = value.astype(float)
    kept = decimate(value, num_points)
    finite = value[np.isfinite(value)]
    assert (np.diff(kept) > 0).all()
    assert np.isfinite(value[kept]).all()
    assert kept.size <= num_points + 2
    if finite.size:
        assert value[kept].min() == finite.min()
        assert value[kept].max() == finite.max()


def test_a_spike_of_one_step_in_a_million_lines_is_drawn_and_the_file_opens_within_a_second(tmp_path):
    path = tmp_path / "metrics.jsonl"
    count, spike = 1_000_000, 654_321
    block = b"".join(b'{"step":%d,"time":%.2f,"loss":%.6g}\n' % (i, i / 100, 1 + i % 7) for i in range(1000))
    with open(path, "wb") as file:
        for _ in range(count // 1000):
            file.write(block)
        file.write(b'{"step":%d,"time":1.0,"loss":-5}\n' % spike)
        file.write(block)
    best = math.inf
    for _ in range(3):
        begin = time.process_time()  # whatever else the machine does meanwhile
        reader = MetricsReader(path)
        reader.poll()
        step, loss = reader.columns["step"], reader.columns["loss"]
        kept = decimate(loss, 2000)
        best = min(best, time.process_time() - begin)
    assert loss[kept].min() == -5
    assert step[kept][loss[kept].argmin()] == spike
    assert kept.size <= 2002
    assert best < 3.0  # the budget of 1 s is measured by the benchmarks; this catches a slow path taken by mistake
