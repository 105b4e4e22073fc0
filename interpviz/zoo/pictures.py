"""Free photos that ship inside scikit-image, scikit-learn and Matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from interpviz.errors import AssetError, nearest


@dataclass(frozen=True)
class Photo:
    """A photo that may be shown, and whom to thank for it.

    Attributes:
        name: What `load_photo` calls it.
        title: What it shows.
        credit: Who made it.
        licence: Its licence, as the package that carries it states it.
        source: Where that package had it from, and the package.
    """

    name: str
    title: str
    credit: str
    licence: str
    source: str

    def __str__(self) -> str:
        return f"{self.title}. {self.credit}. {self.licence}. {self.source}"


@dataclass(frozen=True)
class _File:
    distribution: str
    package: str
    inside: str


def _skimage(file: str) -> _File:
    return _File("scikit-image", "skimage", f"data/{file}")


def _sklearn(file: str) -> _File:
    return _File("scikit-learn", "sklearn", f"datasets/images/{file}")


_ALL = (
    (
        Photo(
            name="astronaut",
            title="The astronaut Eileen Collins",
            credit="NASA",
            licence="No known copyright restrictions, released into the public domain",
            source="NASA Great Images database, https://flic.kr/p/r9qvLn; in scikit-image",
        ),
        _skimage("astronaut.png"),
    ),
    (
        Photo(
            name="camera",
            title="A photographer with a camera on a tripod, in black and white",
            credit="Lav Varshney",
            licence="CC0, no copyright restrictions",
            source="in scikit-image",
        ),
        _skimage("camera.png"),
    ),
    (
        Photo(
            name="chelsea",
            title="Chelsea the cat",
            credit="Stefan van der Walt",
            licence="CC0, no copyright restrictions",
            source="in scikit-image",
        ),
        _skimage("chelsea.png"),
    ),
    (
        Photo(
            name="china",
            title="A temple in China",
            credit="danielbuechele on Flickr",
            licence="CC BY 2.0, https://creativecommons.org/licenses/by/2.0/",
            source=(
                "https://www.flickr.com/photos/danielbuechele/6061409035/sizes/z/in/photostream/; "
                "in scikit-learn"
            ),
        ),
        _sklearn("china.jpg"),
    ),
    (
        Photo(
            name="coffee",
            title="A cup of coffee",
            credit="Rachel Michetti, courtesy of Pikolo Espresso Bar",
            licence="CC0, no copyright restrictions",
            source="in scikit-image",
        ),
        _skimage("coffee.png"),
    ),
    (
        Photo(
            name="flower",
            title="A flower",
            # The README beside the file names danielbuechele, but links to vultilion's page.
            credit="vultilion on Flickr",
            licence="CC BY 2.0, https://creativecommons.org/licenses/by/2.0/",
            source=(
                "https://www.flickr.com/photos/vultilion/6056698931/sizes/z/in/photostream/; "
                "in scikit-learn"
            ),
        ),
        _sklearn("flower.jpg"),
    ),
    (
        Photo(
            name="grace_hopper",
            title="Grace Hopper",
            credit="United States Navy",
            licence="Public domain",
            source="https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg; in Matplotlib",
        ),
        _File("matplotlib", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ),
    (
        Photo(
            name="hubble",
            title="Hubble eXtreme Deep Field",
            credit="NASA",
            licence="May be freely used in the public domain",
            source=(
                "http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/; "
                "in scikit-image"
            ),
        ),
        _skimage("hubble_deep_field.jpg"),
    ),
    (
        Photo(
            name="motorcycle",
            title="A motorcycle in a workshop, the left of a stereo pair",
            credit=(
                "D. Scharstein, H. Hirschmueller, Y. Kitajima, G. Krathwohl, N. Nesic, X. Wang "
                "and P. Westling, Middlebury 2014 stereo benchmark"
            ),
            licence="None stated by scikit-image, which ships it; please cite the benchmark",
            source="http://vision.middlebury.edu/stereo/data/scenes2014/; in scikit-image",
        ),
        _skimage("motorcycle_left.png"),
    ),
    (
        Photo(
            name="rocket",
            title="Launch of DSCOVR on a Falcon 9",
            credit="SpaceX",
            licence="Released in the public domain",
            source=(
                "https://www.flickr.com/photos/spacexphotos/16511594820/in/photostream/; "
                "in scikit-image"
            ),
        ),
        _skimage("rocket.jpg"),
    ),
)
_BY_NAME = {photo.name: (photo, file) for photo, file in _ALL}


def photos() -> list[Photo]:
    """All photos, in alphabetical order, with their credits and licences."""
    return [photo for photo, _ in _ALL]


def load_photo(name: str) -> Image.Image:
    """Open a free photo. Nothing is asked of the network.

    Args:
        name: One of the names that [`photos`][interpviz.zoo.pictures.photos] lists.

    Returns:
        An RGB picture of its full size.

    Raises:
        AssetError: If no photo has that name, or the package that carries it is not installed.
    """
    if name not in _BY_NAME:
        near = nearest(name, _BY_NAME)
        raise AssetError(
            f"There is no photo {name!r}. {f'{near} ' if near else ''}"
            f"There are: {', '.join(_BY_NAME)}."
        )
    file = _BY_NAME[name][1]
    folder = _package_folder(file.package)
    if folder is None or not (folder / file.inside).is_file():
        raise AssetError(
            f"The photo {name!r} is a file of {file.distribution}, which is not installed whole: "
            f"pip install {file.distribution}."
        )
    with Image.open(folder / file.inside) as image:
        return image.convert("RGB")


def _package_folder(package: str) -> Path | None:
    # Importing these packages only to learn where they lie would take a second and more.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
