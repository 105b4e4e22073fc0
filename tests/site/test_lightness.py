"""What is left out of rendered pages, and what is joined."""

from __future__ import annotations


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


def test_sheets_of_other_hosts_stay():
    import styles

    page = '<link rel="stylesheet" href="https://example.org/assets/a.css">'
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
