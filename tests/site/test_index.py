"""The filter of the gallery's index, in a real browser."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path

import pytest

INDEX = "generated/gallery/"


@contextmanager
def index(browser, address, query="", **options):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    view = context.new_page()
    try:
        view.goto(f"{address}{INDEX}{query}")
        yield view
    finally:
        context.close()


def visible(view) -> list[str]:
    """The titles of the cards that show."""
    script = """[...document.querySelectorAll('.iv-card')].filter(c => c.checkVisibility())
                .map(c => c.querySelector('.iv-card__link').innerText)"""
    return view.evaluate(script)


def chip(view, kind, value):
    return view.locator(f".iv-chip[data-kind='{kind}'][data-value='{value}']")


def tagged(view, kind, value) -> int:
    return view.locator(f".iv-section .iv-card[data-{kind}~='{value}']").count()


def said(view) -> str:
    return view.locator(".iv-filter [role=status]").inner_text()


def test_every_card_shows_at_first_and_without_javascript(browser, address):
    with index(browser, address) as view:
        everything = visible(view)
        assert said(view) == f"{len(everything)} examples"
    with index(browser, address, java_script_enabled=False) as view:
        cards = view.locator(".iv-card")
        assert cards.count() == len(everything)
        assert all(card.is_visible() for card in cards.all())
        assert not view.locator(".iv-filter").is_visible()


def test_a_click_filters_and_another_one_shows_all(browser, address):
    with index(browser, address) as view:
        everything = visible(view)
        button = chip(view, "model", "efficientnet_lite0")
        button.click()
        shown = visible(view)
        assert 0 < len(shown) == tagged(view, "model", "efficientnet_lite0") < len(everything)
        assert button.get_attribute("aria-pressed") == "true"
        assert said(view) == f"{len(shown)} of {len(everything)} examples"
        button.click()
        assert visible(view) == everything
        assert button.get_attribute("aria-pressed") == "false"


def test_values_of_a_group_add_cards_and_groups_take_them_away(browser, address):
    with index(browser, address) as view:
        chip(view, "model", "bert").click()
        bert = set(visible(view))
        chip(view, "model", "gpt").click()
        assert bert < set(visible(view))
        chip(view, "topic", "patterns").click()
        assert 0 < len(visible(view)) == tagged(view, "topic", "patterns")
        # A section without cards is not left as a heading.
        headings = view.locator(".iv-section h2:visible")
        assert headings.count() == 1


def test_every_card_has_a_task_and_tasks_filter(browser, address):
    with index(browser, address) as view:
        tasks = "cards => cards.map(card => card.dataset.task.split(' '))"
        found = view.locator(".iv-section .iv-card").evaluate_all(tasks)
        assert all(all(tasks) for tasks in found)
        names = {"image-classification", "text-embedding", "text-generation"}
        assert names <= {task for tasks in found for task in tasks}
        shown = set()
        for name in sorted(names):
            chip(view, "task", name).click()
            assert 0 < len(visible(view)) == tagged(view, "task", name) < len(found)
            shown |= set(visible(view))
            chip(view, "task", name).click()
        # Words and pictures are told apart.
        chip(view, "task", "image-classification").click()
        assert "What do BERT's heads do?" in shown - set(visible(view))


def test_the_keyboard_filters(browser, address):
    with index(browser, address) as view:
        first = view.locator(".iv-chip").first
        first.focus()
        view.keyboard.press("Tab")
        second = view.evaluate("document.activeElement.dataset.value")
        view.keyboard.press("Space")
        assert len(visible(view)) == tagged(view, "topic", second)
        view.keyboard.press("Enter")
        assert said(view) == f"{len(visible(view))} examples"


def test_more_methods_open_and_close(browser, address):
    with index(browser, address) as view:
        more = view.locator(".iv-filter__more")
        rest = view.locator(".iv-filter__rest")
        assert not rest.is_visible()
        more.press("Enter")
        assert rest.is_visible()
        assert more.get_attribute("aria-expanded") == "true"
        more.press("Enter")
        assert not rest.is_visible()


def test_the_address_holds_the_filter(browser, address):
    with index(browser, address) as view:
        chip(view, "model", "bert").click()
        chip(view, "topic", "attention").click()
        shown, link = visible(view), view.url
    assert re.search(r"\?topic=attention&model=bert$", link)
    with index(browser, address, query="?" + link.split("?")[1]) as view:
        assert visible(view) == shown
        assert chip(view, "model", "bert").get_attribute("aria-pressed") == "true"
        view.locator(".iv-filter__clear").click()
        assert view.url == f"{address}{INDEX}"


def test_an_address_opens_the_methods_that_it_asks_for(browser, address):
    with index(browser, address, query="?method=ScoreCAM") as view:
        assert chip(view, "method", "ScoreCAM").is_visible()
        assert len(visible(view)) == tagged(view, "method", "ScoreCAM") > 0


@pytest.mark.parametrize("query", ["?model=unheard_of", "?x=1", "?topic=%22%3E"])
def test_an_address_that_asks_for_nothing_known_shows_all(browser, address, query):
    with index(browser, address) as view:
        everything = visible(view)
        view.goto(f"{address}{INDEX}{query}")
        assert visible(view) == everything


def test_an_example_links_to_the_index_of_its_model(browser, address):
    with index(browser, address) as view:
        view.locator(".iv-card__link").first.click()
        view.wait_for_load_state()
        link = view.locator(".iv-fact a[href*='?model=']").first
        model = link.inner_text().strip()
        link.click()
        view.wait_for_load_state()
        assert len(visible(view)) == tagged(view, "model", model) > 0
        assert "of" in said(view)


def test_tasks_are_those_of_the_models():
    from filters import _TASKS, tags
    from layout import Example
    from uses import Uses

    from interpviz.zoo.models import REGISTRY, WITHOUT_CLASSES
    from interpviz.zoo.text import HubText

    texts = {name for name, entry in REGISTRY.items() if isinstance(entry.hub, HubText)}
    assert texts | {WITHOUT_CLASSES} == _TASKS.keys()

    def tasks(models: tuple[str, ...], names: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tags(Example(Path("cam/plot_x.py"), Path("cam")), Uses(names, (), models))["task"]

    assert tasks(("bert", "resnet", "vgg")) == ("text-embedding", "image-classification")
    # A network that the script trains, and no network at all.
    assert tasks((), ("interpviz.cam.GradCAM",)) == ("image-classification",)
    assert tasks((), ("interpviz.attention.local_mask",)) == ()
