import pytest
import torch

from interpviz.report import build
from interpviz.report.filling import next_size, usual_size

GPU = torch.device("cuda", 0)


@pytest.fixture
def memory(monkeypatch):
    """Lets a GPU say how much it has, in GB: free, reserved, allocated now and at most."""

    def set_to(free, reserved, now, peak):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 80))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: reserved)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: now)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: peak)

    return set_to


def test_batches_grow_while_another_one_has_room(memory):
    memory(free=60, reserved=10, now=2, peak=10)
    assert next_size(64, GPU) == 128
    memory(free=10, reserved=60, now=2, peak=40)
    assert next_size(64, GPU) == 64
    # What the allocator holds unused is room as well.
    memory(free=0, reserved=60, now=2, peak=10)
    assert next_size(64, GPU) == 128
    assert next_size(1024, GPU) == 1024


def test_a_processor_keeps_its_number():
    assert next_size(16, torch.device("cpu")) == usual_size(torch.device("cpu")) == 16


@pytest.mark.parametrize(("given", "seen"), [(None, [2, 4, 3]), (2, [2, 2, 2, 2, 1])])
def test_only_a_number_that_nobody_gave_grows(net, photos, tmp_path, monkeypatch, given, seen):
    from interpviz.report.retrying import Retrying

    sizes, whole = [], Retrying.__call__

    def counted(self, images, labels, masks):
        sizes.append(len(images))
        return whole(self, images, labels, masks)

    monkeypatch.setattr(Retrying, "__call__", counted)
    monkeypatch.setattr("interpviz.report.running.usual_size", lambda _: 2)
    monkeypatch.setattr("interpviz.report.pipeline.next_size", lambda size, _: 2 * size)
    build(net, photos(9), tmp_path / "out", batch_size=given, site=False)
    assert sizes == seen


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_says_how_much_it_has():
    torch.ones(1000, device=GPU)
    assert next_size(64, GPU) == 128
