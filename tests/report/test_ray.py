"""The same report from a Ray cluster, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import zipfile
from contextlib import nullcontext

import pytest

from interpviz.errors import InputError
from interpviz.report import build

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by a signal")


@pytest.fixture(scope="module")
def cluster(net_module):
    """A cluster of four processors, whose workers find the module of the net."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
        ray.init(
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=200 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
        ray.shutdown()


def test_as_on_one_machine(cluster, net, photos, tmp_path, data, assert_same):
    folder = photos(30)
    (folder / "pear" / "broken.png").write_bytes(b"no picture")
    build(net, folder, tmp_path / "local", batch_size=4)
    summary = build(net, folder, tmp_path / "ray", engine="ray", batch_size=4, workers=2)
    assert summary.explained == 30
    assert [name for name, _ in summary.failures] == ["pear/broken.png"]
    assert_same(data(tmp_path / "ray"), data(tmp_path / "local"))
    # What is known is not done again, by either engine.
    again = build(net, folder, tmp_path / "ray", engine="ray", batch_size=4, workers=2)
    assert (again.explained, again.new) == (30, 0)
    assert build(net, folder, tmp_path / "ray", batch_size=4).new == 0


def test_many_images_go_in_parts(  # noqa: PLR0917
    cluster, net, photos, tmp_path, data, assert_same, monkeypatch
):
    from ray import data as ray_data

    folder, inner, sent = photos(12), ray_data.from_items, []

    def from_items(items, **options):
        sent.append(len(items))
        return inner(items, **options)

    monkeypatch.setattr("interpviz.report.ray_engine._MOST_CHUNKS", 2)
    monkeypatch.setattr(ray_data, "from_items", from_items)
    build(net, folder, tmp_path / "local", batch_size=4, site=False)
    options = {"engine": "ray", "batch_size": 4, "workers": 2, "site": False}
    assert build(net, folder, tmp_path / "ray", **options).new == 12
    assert sent == [2, 1]
    assert_same(data(tmp_path / "ray"), data(tmp_path / "local"))


def workers_of_ray() -> list[int]:
    """The processes that hold the model."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    rows = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, args in rows if args.startswith("ray::MapWorker")]


def test_a_worker_that_dies(cluster, net, photos, tmp_path, data, assert_same):
    folder, killed = photos(60), []
    build(net, folder, tmp_path / "local", batch_size=4)

    def kill_one(counts):
        if not killed and counts.explained >= 8:
            killed.extend(workers_of_ray()[:1])
            os.kill(killed[0], signal.SIGKILL)

    options = {"engine": "ray", "batch_size": 4, "workers": 2}
    summary = build(net, folder, tmp_path / "ray", progress=kill_one, **options)
    assert killed
    assert (summary.explained, summary.new, summary.failures) == (60, 60, [])
    assert_same(data(tmp_path / "ray"), data(tmp_path / "local"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and links need a POSIX system")
def test_hostile_files_are_listed_with_the_same_reasons(
    cluster, net, photos, tmp_path, draw, hostile
):
    folder = photos(6)
    written = hostile.write_hostile(folder / "pear", draw(503))
    local = build(net, folder, tmp_path / "local", site=False)
    summary = build(net, folder, tmp_path / "ray", engine="ray", workers=2, site=False)
    assert summary.explained == 6
    assert {name for name, _ in summary.failures} == {f"pear/{name}" for name in written}
    assert summary.failures == local.failures


def test_a_run_that_was_cut_off_goes_on_with_the_other_engine(
    cluster, net, photos, tmp_path, data, assert_same
):
    folder = photos(24)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    # An address that every process reads through fsspec.
    address = f"zip://::file://{tmp_path}/photos.zip"
    ray_options = {"engine": "ray", "workers": 2}
    build(net, address, tmp_path / "whole", site=False)

    seen = [0]

    def cut(counts):
        seen.append(counts.explained)
        if counts.explained >= 8:
            raise KeyboardInterrupt

    for number, (first, second) in enumerate([(ray_options, {}), ({}, ray_options)]):
        out = tmp_path / f"cut-{number}"
        with pytest.raises(KeyboardInterrupt):
            build(net, address, out, batch_size=4, progress=cut, site=False, **first)
        summary = build(net, address, out, batch_size=4, site=False, **second)
        assert (summary.explained, summary.new) == (24, 24 - seen[-1])
        assert 8 <= seen[-1] < 24
        assert_same(data(out), data(tmp_path / "whole"))


def test_pools_that_leave_nothing_for_reading(cluster, net, photos, tmp_path):
    options = {"engine": "ray", "site": False}
    with pytest.raises(InputError, match="one must be left for reading"):
        build(net, photos(2), tmp_path / "out", workers=4, **options)
    with pytest.raises(InputError, match="has 0 GPUs"):
        build(net, tmp_path / "photos", tmp_path / "out", device="cuda", **options)


@pytest.mark.parametrize(("gpus", "device"), [(1, None), (0, "cpu")])
def test_an_actor_runs_on_the_device_that_it_was_given(
    gpus, device, net, tmp_path, photos, monkeypatch
):
    from interpviz.report import ray_engine
    from interpviz.report.ray_cluster import Pool

    made = []

    class Pipeline:
        def __init__(self, store, source, prepare, preparing, explaining, **options):
            made.append(explaining)
            raise KeyboardInterrupt

    monkeypatch.setattr(ray_engine, "connected", nullcontext)
    monkeypatch.setattr(ray_engine, "pool_of", lambda workers, device: Pool(2, gpus))
    monkeypatch.setattr(ray_engine, "RayPipeline", Pipeline)
    asked = {"device": "cuda:1"} if gpus else {}
    with pytest.raises(KeyboardInterrupt):
        build(net, photos(2), tmp_path / "out", engine="ray", site=False, **asked)
    # A process that was given the second GPU sees it as its first.
    assert made[0].device == device


@pytest.mark.parametrize("engine", ["rey", "cloud"])
def test_engines_that_are_not_there(engine, net, photos, tmp_path):
    with pytest.raises(InputError, match="engine is"):
        build(net, photos(2), tmp_path / "out", engine=engine)


def test_ray_that_is_not_installed(net, photos, tmp_path, monkeypatch):
    from interpviz.report import engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"interpviz\[ray\]"):
        build(net, photos(2), tmp_path / "out", engine="ray")
