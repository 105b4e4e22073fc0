"""The page of classes, held against the records and against made-up averages."""

import base64
import shutil

import numpy as np
from PIL import Image
from report_pages import NAMES, address, opened, read, write


def test_a_class_shows_its_average_map_and_pictures(browser, out, records):
    from browser import serve

    # Pixels of pictures can only be read back from a host.
    with serve(out) as root, opened(browser, f"{root}classes.html") as page:
        page.set_viewport_size({"width": 1280, "height": 3000})
        page.locator(".iv-pane canvas").first.wait_for()
        page.wait_for_timeout(500)
        name = page.locator(".iv-classes h3").first.inner_text()
        own = [r for r in records if "top" in r and NAMES[r["top"][0][0]] == name]
        assert f"{len(own)} images" in page.locator(".iv-classes a").first.inner_text()
        shown = (
            page.locator(".iv-pair")
            .first.locator("canvas")
            .evaluate_all(
                "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, 224, 224).data])"
            )
        )
        paths = [out / "images" / r["key"][:2] / f"{r['key']}.webp" for r in own[:16]]
        pictures = [np.asarray(Image.open(path).convert("RGB"), float) for path in paths]
        blended = np.reshape(shown[1], (224, 224, 4))[3::7, 3::7, :3]
        assert np.abs(blended - np.mean(pictures, 0)).max() < 12
        assert np.ptp(np.reshape(shown[0], (-1, 4)), axis=0).max() > 50


def text(values, kind):
    return base64.b64encode(np.asarray(values, kind).tobytes()).decode()


def test_classes_come_in_the_chosen_order_the_strangest_first(browser, out, records, tmp_path):
    copy = shutil.copytree(out, tmp_path / "copy")
    summary, index = (read(copy / "data" / f"{name}.js") for name in ("summary", "index"))
    averages = {
        0: (12, [2, 2], [100, 100, 100, 100]),
        1: (3, [2, 2], [200, 0, 0, 0]),
        2: (6, [2, 2], [100, 100, 200, 100]),
        # Of another shape than most, so that it cannot be compared.
        3: (20, [1, 3], [0, 0, 9]),
        # One image alone is unlike the others by chance.
        4: (1, [2, 2], [0, 200, 0, 0]),
    }
    summary["averages"] = {
        str(index): {"count": count, "grid": grid, "map": text(map_, "u1")}
        for index, (count, grid, map_) in averages.items()
    }
    predicted = [*[0] * 8, *[1] * 8, *[2] * 8, *[3] * (index["count"] - 24)]
    label = [*[0] * 8, *[1, 2] * 4, *[2, 2, 2, 0] * 2, *[0] * (index["count"] - 24)]
    index |= {"labels": NAMES, "label_class": [0, 1, 2]}
    index["columns"] |= {"predicted": text(predicted, "<i4"), "label": text(label, "<i4")}
    # All have a picture, also the file that failed.
    key = [*bytes.fromhex(records[0]["key"])]
    index["columns"] |= {
        n: text(v * index["count"], "u1") for n, v in (("state", [0]), ("key", key))
    }
    write(copy / "data" / "summary.js", "summary", summary)
    write(copy / "data" / "index.js", "index", index)
    names = [*NAMES, "class 3", "class 4"]
    orders = {"": [1, 4, 2, 0, 3], "wrong": [3, 1, 2, 0, 4]}
    orders |= {"count": [3, 0, 2, 1, 4], "name": [0, 3, 4, 1, 2]}
    orders["strange"] = orders[""]
    with opened(browser, address(copy, "classes")) as page:
        box = page.get_by_role("combobox", name="Order")
        choices = box.locator("option").evaluate_all("all => all.map(option => option.value)")
        assert sorted(choices) == sorted(orders)[1:]
        for order, expected in orders.items():
            if order:
                box.select_option(order)
            shown = page.locator(".iv-classes h3").all_text_contents()
            assert shown == [names[index] for index in expected], order
