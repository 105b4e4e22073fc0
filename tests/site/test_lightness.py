"""What is left out of rendered pages, and what is joined."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_sheets_are_joined_in_their_order(tmp_path):
    import styles

    sheets = ["assets/stylesheets/main.min.css", "assets/_one.css", "assets/stylesheets/two.css"]
    links = "\n".join(f'<link rel="stylesheet" href="../../{name}">' for name in sheets)
    page, found = styles.joined(f"<head><title>x</title>{links}<style>a{{}}</style></head>")
    assert found == sheets
    assert page.count("<link") == 1
    assert f'<link rel="stylesheet" href="../../{styles.NAME}">' in page
    assert page.index("<link") < page.index("<style>")
    for number, name in enumerate(sheets):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"/* note */\n.a{number} {{}}\n")
    styles.write(tmp_path, found)
    assert (tmp_path / styles.NAME).read_text().split() == [".a0", "{}", ".a1", "{}", ".a2", "{}"]


@pytest.mark.parametrize("root", ["", "./", "../../", "/", "/a/b/", "/assets/"])
def test_sheets_are_found_from_every_place(root):
    import styles

    page = f'<link rel="stylesheet" href="{root}assets/x/a.css">'
    link = f'<link rel="stylesheet" href="{root}{styles.NAME}">\n'
    assert styles.joined(page) == (link, ["assets/x/a.css"])


def test_sheets_of_other_hosts_stay():
    import styles

    for host in ("https://example.org/", "//example.org/"):
        page = f'<link rel="stylesheet" href="{host}assets/a.css">'
        assert styles.joined(page) == (page, [])


def test_code_keeps_its_text_and_its_coloured_parts():
    from lightness import lightened

    code = (
        '<code><span class="n"><span title="bool">bool</span></span><span class="p">(</span>'
        '<span class="w"> </span><span class="kc">None</span>'
        '<span class="n"><span title="torch.Tensor">Tensor</span></span></code>'
    )
    assert lightened(code) == (
        '<code>bool( <span class="kc">None</span>'
        '<span class="n"><span title="torch.Tensor">Tensor</span></span></code>'
    )


def test_a_view_holds_its_picture_once_and_figures_stay_links():
    from lightness import lightened

    view = '<img src="data:image/webp;base64,AA" alt="a">'
    linked = f'<a class="glightbox" data-type="image" href="data:image/webp;base64,AA">{view}</a>'
    assert lightened(linked) == view
    figure = '<a class="glightbox" href="x.webp"><img src="x.webp" alt="a"></a>'
    assert lightened(figure) == figure


def test_what_enlarges_figures_comes_behind_the_page():
    from lightness import lightened

    script = '<script src="../assets/javascripts/glightbox.min.js"></script>'
    page = f'<head>{script}</head><p>text</p><script id="init-glightbox">x</script>'
    changed = lightened(page)
    assert changed.count(script) == 1
    assert changed.index("text") < changed.index(script) < changed.index("init-glightbox")


def test_tables_are_framed_and_named_by_their_columns():
    from accessibility import repair

    table = '<table><thead><tr><th>A &amp; "b"</th><th><code>c</code></th></tr></thead></table>'
    assert repair(table) == (
        '<div class="iv-table" role="group" aria-label="Table: A &amp; &quot;b&quot;, c" '
        f'tabindex="0">{table}</div>'
    )
    assert repair('<table class="x"></table>') == '<table class="x"></table>'


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ((1, 0.95, 2500, 0.02), []),
        ((0.99, 0.95, 2500, 0.02), ["access 99", "best 99", "seo 99"]),
        ((1, 0.94, 2501, 0.021), ["perf 94", "largest 2.501", "shift 0.021"]),
        ((None, 1, 100, 0), ["access 0", "best 0", "seo 0"]),
    ],
)
def test_lighthouse_fails_on_the_pages_that_miss_a_bar(
    tmp_path, monkeypatch, capsys, found, missed
):
    score, performance, paint, shift = found
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import lighthouse

    def report(url, folder):
        good = url.endswith("good/")
        scores = dict.fromkeys(lighthouse.CATEGORIES, 1 if good else score)
        scores["performance"] = 1 if good else performance
        times = (*lighthouse.TIMES, lighthouse.BYTES)
        audits = {name: {"numericValue": 0 if good else paint} for name in times}
        audits[lighthouse.SHIFT] = {"numericValue": 0 if good else shift}
        audits["network-requests"] = {"details": {"items": []}}
        categories = {name: {"score": one, "auditRefs": []} for name, one in scores.items()}
        return {"categories": categories, "audits": audits}

    (tmp_path / "index.html").write_text("")
    monkeypatch.setattr(lighthouse, "measured", report)
    monkeypatch.setattr(lighthouse, "chromium", lambda: "chromium")
    monkeypatch.setattr(lighthouse.shutil, "which", lambda _: "npx")
    arguments = [str(tmp_path), "--pages", "good/", "bad/", "--repeats", "1"]
    monkeypatch.setattr(lighthouse.sys, "argv", ["lighthouse.py", *arguments])
    if missed:
        with pytest.raises(SystemExit) as ended:
            lighthouse.main()
        assert ended.value.code == 1
    else:
        lighthouse.main()
    said = [line for line in capsys.readouterr().out.splitlines() if "missed" in line]
    assert [line.rpartition(",")[0] for line in said] == [f"bad/: missed {each}" for each in missed]
