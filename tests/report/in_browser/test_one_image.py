"""The page of one image, held against its record."""

import base64
import shutil

import numpy as np
import torch
from matplotlib import colormaps
from report_pages import (
    NAMES,
    address,
    await_view,
    go,
    image_address,
    opened,
    place_of,
    read,
    write,
)
from torch.nn import functional as F


def test_an_image_shows_its_own_record_and_maps(browser, out, records):
    ramp = colormaps["inferno"](np.arange(256))[:, :3] * 255
    for place in (0, 13, 27):
        record = records[place]
        assert "failed" not in record
        with opened(browser, image_address(out, records, place)) as page:
            assert page.locator("h1").inner_text() == record["id"].split("/")[-1]
            assert record["id"] in page.locator(".iv-facts").inner_text()
            names = page.locator(".iv-top li > span:first-child").all_inner_texts()
            assert [n.removesuffix(" (the folder's)") for n in names] == [
                NAMES[index] for index, _ in record["top"]
            ]
            pixels = page.locator(".iv-glance canvas").evaluate_all(
                "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, 32, 32).data])"
            )
            high, wide = record["grid"]
            maps = np.frombuffer(base64.b64decode(record["maps"]), np.uint8)
            maps = torch.from_numpy(maps.reshape(-1, high, wide).astype(np.float32))
            assert len(pixels) == len(maps) == 3
            for found, map_ in zip(pixels, maps, strict=True):
                levels = F.interpolate(map_[None, None], (32, 32), mode="bilinear")[0, 0]
                expected = ramp[levels.round().long().clamp(0, 255).numpy()]
                colours = np.reshape(found, (32, 32, 4))[..., :3]
                # Between eleven colours of the scale the others are mixed.
                assert np.abs(colours - expected).max() < 9


def test_the_view_of_maps_reads_raw_values(browser, out, records):
    record = records[0]
    with opened(browser, image_address(out, records, 0)) as page:
        await_view(page)
        shown = page.evaluate("document.querySelector('.interpviz').interpviz.read()")
        codes = np.frombuffer(base64.b64decode(record["maps"]), np.uint8)
        first = codes[: np.prod(record["grid"])] / 255 * record["peaks"][0]
        np.testing.assert_allclose(shown["values"], first, atol=1e-6)


def test_the_view_takes_maps_of_a_million_values(browser, out, records, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    content = read(copy / "data" / "records-000.js")
    random = np.random.default_rng(0)
    maps = random.integers(0, 256, (len(records[0]["peaks"]), 1024 * 1024), dtype=np.uint8)
    large = {"grid": [1024, 1024], "maps": base64.b64encode(maps.tobytes()).decode()}
    content["records"][0] |= large
    write(copy / "data" / "records-000.js", "records", content)
    with opened(browser, image_address(copy, records, 0)) as page:
        await_view(page)
        shown = page.evaluate(
            "[...document.querySelector('.interpviz').interpviz.read().values]"
            ".filter((_, at) => at % 1000 === 0)"
        )
        expected = maps[0, ::1000] / 255 * records[0]["peaks"][0]
        np.testing.assert_allclose(shown, expected, atol=1e-6)


def test_copies_and_old_addresses_lead_to_the_image(browser, out, records):
    first, copy = place_of(records, "00 <b onclick=alert(2)>.png"), place_of(records, "copy.png")
    key = records[first]["key"]
    assert key == records[copy]["key"]
    with opened(browser, image_address(out, records, first)) as page:
        page.get_by_role("link", name=f"image {copy + 1} ({NAMES[0]})").click()
        page.get_by_role("heading", name="copy.png", level=1).wait_for()
        for fragment in (key, f"{key}&n=5", f"{key}&n=99999"):
            go(page, address(out, "image", fragment))
            assert page.locator("h1").inner_text() == records[min(first, copy)]["id"].split("/")[-1]
        for fragment in ("", "nothing", "0" * 20, f"{'0' * 20}&n=-1", "%3Cb%3E&n=x"):
            go(page, address(out, "image", fragment))
            assert page.get_by_text("There is no such image").is_visible()
