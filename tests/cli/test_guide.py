"""Every command that the guide shows is run, in a folder that holds what it names."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch

from interpviz.errors import AssetError
from interpviz.zoo import load_model, load_photo
from interpviz.zoo.external import find_model

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "command-line.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
LINES = [line for block in BLOCKS for line in block.splitlines()]
EXIT = re.compile(r"# exit code (\d)$")
PHOTOS = {"tabby": "chelsea", "espresso": "coffee"}


@pytest.fixture(scope="module")
def weights():
    for name in ("efficientnet_lite0", "bert", "gpt"):
        try:
            load_model(name)
        except AssetError as error:
            pytest.skip(f"the weights of {name} cannot be had: {error}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the pictures, the network, its weights and the texts of the guide."""
    folder = tmp_path_factory.mktemp("guide")
    for label, name in PHOTOS.items():
        photo = load_photo(name)
        photo.thumbnail((160, 160))
        photo.save(folder / f"{name}.png")
        (folder / "photos" / label).mkdir(parents=True)
        photo.save(folder / "photos" / label / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no")
    (folder / "text.txt").write_text("The cat sat.\n")
    (folder / "lines.txt").write_text("The cat sat on the mat.\nA dog barked at it.\n")
    (folder / "reviews.csv").write_text("text,label\nA fine film.,good\nI left early.,bad\n")
    (folder / "names.txt").write_text("apple\npear\nplum\n")
    return folder


@pytest.fixture
def here(place, net, monkeypatch):
    """The current folder, in which `mynets:make` is a network and nothing is asked of a hub."""
    import shellingham

    from interpviz.cli import doctor

    source = find_model(net, device="cpu").model
    torch.save(source.state_dict(), place / "best.pt")
    module = net.partition(":")[0]
    (place / "mynets.py").write_text(f"from {module} import make\n")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setattr(doctor, "_hubs", lambda: [{"hub": "a hub", "why_not": "no network"}])
    return place


def test_the_guide_shows_every_command():
    shown = {" ".join(shlex.split(line)[1:3]) for line in LINES}
    for command in ("cam", "attention", "report", "zoo list", "zoo get", "zoo where", "doctor"):
        assert any(call.startswith(command) for call in shown), command
    assert all(line.startswith("interpviz ") for line in LINES)


@pytest.mark.network
@pytest.mark.parametrize("line", LINES)
def test_it_ends_as_the_guide_says(line, call, here, weights):
    expected = EXIT.search(line)
    words = shlex.split(line, comments=True)[1:]
    given = None
    if "<" in words:
        given = Path(words.pop()).read_text()
        words.remove("<")
    done = call(*words, input=given)
    assert done.exit_code == (int(expected[1]) if expected else 0), done.output
    if "--json" in words:
        json.loads(done.stdout)
    elif "--out" in words and done.exit_code == 0:
        assert Path(words[words.index("--out") + 1]).exists()
