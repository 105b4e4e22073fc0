"""Examples in several processes: the same pages as with one, and what each of them took."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time

import pytest
from tiny_site import EXAMPLE, Tiny

# Leaves behind whatever a process can keep, and shows what it found.
LEAKY = (
    EXAMPLE
    + """
# %%
# What is left of others?

import random
import sys

import numpy as np

print(sorted(name for name in os.environ if name.startswith("LEFT")), sys.argv[1:])
print(random.random(), np.random.rand(), plt.rcParams["lines.linewidth"], "left" in globals())
print(list({{"a", "b", "c", "d"}}))
os.environ["LEFT"] = "behind"
sys.argv.append("left")
plt.rcParams["lines.linewidth"] = 7
left = True
"""
)


def test_two_workers_make_what_one_makes(built, tmp_path):
    made = []
    for workers in ("1", "2"):
        root = tmp_path / workers / "tiny"
        shutil.copytree(built.root, root)
        tiny = Tiny(root)
        shutil.rmtree(tiny.root / "docs/generated")
        for name in ("one", "two", "three"):
            tiny.write(f"gallery/shapes/plot_{name}.py", LEAKY.format(name=name))
        done = tiny.build(INTERPVIZ_WORKERS=workers)
        assert done.returncode == 0, done.stderr
        assert f"with {workers} worker" in done.stderr
        assert "[3/3] shapes/plot_" in done.stderr
        assert sorted(tiny.ran()) == ["one", "three", "two"]
        made.append({str(path.relative_to(root)): _digest(path) for path in _pages(tiny)})
    assert len(made[0]) > 20
    assert made[0] == made[1]


THREADED = (
    EXAMPLE
    + """
# %%
# How many threads, and which bars?

import sys

import torch
from tqdm.auto import tqdm

print("threads:", torch.get_num_threads())
print("told:", os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"])
for _ in tqdm(range(3), desc="a bar of tqdm"):
    pass
print("still seen", file=sys.stderr)
print("bars:", os.environ["HF_HUB_DISABLE_PROGRESS_BARS"])
"""
)


def test_examples_run_on_one_thread_and_show_no_progress_bars(tiny):
    tiny.write("gallery/shapes/plot_two.py", THREADED.format(name="two"))
    more = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = tiny.build(**more)
    assert done.returncode == 0, done.stderr
    page = (tiny.gallery / "shapes/plot_two.md").read_text()
    lines = [line.strip() for line in page.splitlines()]
    for line in ("threads: 1", "told: 1 1", "still seen", "bars: 1"):
        assert line in lines
    assert page.count("a bar of tqdm") == 1  # in the code


STOOD_IN = (
    EXAMPLE
    + """
from interpviz.zoo import models
from interpviz.zoo.hub import HubError


def out_of_reach(name):
    raise HubError("no route")


entry = models.Entry(hub=out_of_reach, packaged=str.upper)
print(models._load("bert", entry, "{choice}"))
"""
)


def test_a_build_without_the_hub_remembers_what_stood_in(tiny):
    for name, choice in (("one", "packaged"), ("two", "auto")):
        text = STOOD_IN.format(name=name, choice=choice)
        tiny.write(f"gallery/shapes/plot_{name}.py", text)
    # From one build to the next.
    for _ in range(2):
        done = tiny.build()
        assert done.returncode == 0, done.stderr
        assert tiny.recorded("plot_one")["stand_ins"] == []
        assert tiny.recorded("plot_two")["stand_ins"] == ["bert"]
        assert "INFO    -  No hub was in reach for shapes/plot_two, which show" in done.stderr
        # Only the page's own prints.
        assert "no route" not in tiny.page("plot_two").read_text().rpartition("BERT")[2]


def _pages(tiny):
    left_out = (".run.json", ".lock", "build.md", "inputs.json")
    files = (path for path in (tiny.root / "docs/generated").rglob("*") if path.is_file())
    return [path for path in files if not path.name.endswith(left_out)]


def _digest(path):
    if path.suffix == ".md":
        lines = path.read_text().splitlines()
        return [line for line in lines if "made by running" not in line and "seconds" not in line]
    return hashlib.sha256(path.read_bytes()).hexdigest()


# The parts, without a build


@pytest.fixture
def examples(tmp_path):
    from layout import Example

    made = []
    for name in ("plot_a", "plot_b", "plot_c"):
        script = tmp_path / "gallery" / "cam" / f"{name}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'"""\n# The [{name}] | page\n"""\n')
        made.append(Example(script, tmp_path / "generated" / "cam"))
    return made


def test_the_longest_goes_first_and_what_never_ran_before_that(examples):
    import parallel
    import timing

    first, second, third = examples
    timing.save(first, timing.Run(1.0, 2.0, 100))
    timing.save(third, timing.Run(9.0, 1.0, 100))
    assert parallel.in_order(examples) == [second, first, third]


def test_a_record_cut_off_while_it_was_written_counts_as_none(examples):
    import timing

    timing.path(examples[0]).parent.mkdir(parents=True)
    timing.path(examples[0]).write_text('{"seconds": 1.')
    assert timing.load(examples[0]) is None


def test_a_run_is_not_finished_once_the_next_one_has_begun(examples):
    import timing

    timing.save(examples[0], timing.Run(1.0, 2.0, 100, ("x",), finished=True))
    timing.begin(examples[0])
    assert timing.load(examples[0]) == timing.Run(1.0, 2.0, 100, ("x",), finished=False)


@pytest.mark.parametrize(
    ("said", "cores", "gigabytes", "count", "workers"),
    [
        ("", 8, 64, 30, 8),
        ("", 8, 4, 30, 2),
        ("", 8, 0.5, 30, 1),
        ("", 8, 64, 3, 3),
        ("5", 2, 1, 30, 5),
        ("5", 2, 1, 2, 2),
    ],
)
def test_as_many_workers_as_cores_and_memory_allow(
    monkeypatch, said, cores, gigabytes, count, workers
):
    import capacity

    monkeypatch.setenv("INTERPVIZ_WORKERS", said)
    monkeypatch.setattr(capacity, "_cores", lambda: cores)
    monkeypatch.setattr(capacity, "_free_bytes", lambda: gigabytes * 1e9)
    assert capacity.workers(count) == workers


def test_the_limits_of_a_container_count(monkeypatch, tmp_path):
    import capacity

    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("5000000000\n")
    (tmp_path / "memory.current").write_text("1000000000\n")
    (tmp_path / "meminfo").write_text("MemTotal: 64000000 kB\nMemAvailable: 32000000 kB\n")
    monkeypatch.setattr(capacity, "_GROUP", tmp_path)
    monkeypatch.setattr(capacity, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(capacity.os, "sched_getaffinity", lambda _: range(16), raising=False)
    assert capacity._cores() == 2
    assert capacity._free_bytes() == 4e9
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert capacity._cores() == 16
    assert capacity._free_bytes() == 32000000 * 1024


@pytest.mark.parametrize(
    ("variable", "module", "function"),
    [
        ("INTERPVIZ_WORKERS", "capacity", lambda it: it.workers(3)),
        ("INTERPVIZ_BUDGET", "budget", lambda it: it.strict()),
    ],
)
def test_variables_that_say_nonsense_are_named(monkeypatch, variable, module, function):
    from layout import GalleryError

    monkeypatch.setenv(variable, "many")
    with pytest.raises(GalleryError, match=f"{variable} is 'many'"):
        function(__import__(module))


@pytest.mark.parametrize(
    ("script", "seconds", "peak_mb", "said"),
    [
        ("", 119.9, 2999, None),
        ("", 120.1, 2999, "took 120.1 s of processor time, over its 120 s"),
        ("", 120.1, 3100, "over its 120 s and 3.1 GB of memory, over its 3 GB"),
        ("# mkdocs_gallery_budget_seconds = 200\n", 180, 100, None),
        ("# mkdocs_gallery_budget_gigabytes = 4.5\n", 1, 4400, None),
    ],
)
def test_budgets(examples, script, seconds, peak_mb, said):
    import budget
    import timing

    examples[0].source.write_text(script)
    found = budget.excess(examples[0], timing.Run(1.0, seconds, peak_mb))
    assert (said in found) if said else found is None


def test_a_budget_that_is_no_number_is_named(examples):
    import budget
    from layout import GalleryError

    examples[0].source.write_text("# mkdocs_gallery_budget_seconds = much\n")
    with pytest.raises(GalleryError, match="budget_seconds is much"):
        budget.limits(examples[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a part of a run")
def test_a_meter_reads_processor_time_and_the_peak_of_its_own_stretch():
    import timing

    large = bytearray(400_000_000)
    del large
    meter = timing.Meter()
    began, number = time.process_time(), 0
    while time.process_time() - began < 0.2:
        number += 1
    time.sleep(0.3)
    run = meter.read()
    assert 0.15 < run.cpu_seconds < run.seconds
    before = run.peak_mb
    large = bytearray(400_000_000)
    assert 350 < meter.read().peak_mb - before < 450
    del large


def test_the_build_page_shows_weights_as_they_were_printed(examples):
    import build_page
    import timing

    from interpviz.zoo.provenance import Provenance

    weights = Provenance("ViT_S/8", "some | data", "a wheel", "1.0", "ab" * 32, "MIT", note="So.")
    printed = f"```\nhello\n{weights}\n{weights}\n```\n"
    found = timing.weights(printed)
    assert found == ("Weights: ViT_S/8, some | data, from a wheel 1.0 (MIT); sha256 abababab",)
    text = build_page.content(
        [
            (examples[0], timing.Run(61.25, 120.04, 1234, found)),
            (examples[1], timing.Run(1.0, 2.0, 100)),
            (examples[2], None),
        ],
        "python 3.12, torch 2.9",
    )
    rows = [line for line in text.splitlines() if line.startswith("| \\[") or "plot_" in line]
    assert len(rows) == 2
    assert rows[0].count(" | ") == 4
    assert "(cam/plot_a.md)<br>over its budget | 61.2 | 120.0 | 1234 | ViT&#95;S/8" in rows[0]
    assert rows[1].endswith("| 1.0 | 2.0 | 100 | none |")
    assert "2 examples took 122 s of processor time and at most 1234 MB." in text
    assert "- torch 2.9" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-9, "was killed, as the system does when memory runs out"),
        (-11, "was ended by SIGSEGV"),
        (3, "ended with status 3 before the example was done"),
    ],
)
def test_how_a_worker_died(status, said):
    import parallel

    assert said in parallel.epitaph(status, "cam/plot_a")
    assert "cam/plot_a" in parallel.epitaph(status, "cam/plot_a")
