"""Every number field: typed and dragged to the limits of the moment, which follow other values, on every page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import address_of, eventually, open_page, resting_box

TITLES = {"basis": "Basis", "embeddings": "Embeddings", "data": "Data", "mvmf": "Geolocation", "table": "Learned table"}
SPHERE = "basis&show=component&domain=sphere&L=10&K=64&k=1"
BOX = "basis&show=component&domain=box&L=6&K=20&k=1"
DIMENSIONS = "embeddings&show=dimension&step=4&ph=3&pw=3&L=10&K=20&k=1"

# Page, then what is set in this order: label, number, what stands there then. Each label's last number is the page's.
CASES: dict[str, tuple[str, list[tuple[str, str, str]], dict[str, str]]] = {
    "degree within L": (
        "basis&L=10&l=6&m=3",
        [("Max. degree L", "60", "60"), ("Degree l", "45", "45"), ("Order m", "-40", "-40")],
        {"L": "60", "l": "45", "m": "-40"},
    ),
    "L takes degree and order along": (
        "basis&L=60&l=45&m=-40",
        [("Max. degree L", "20", "20"), ("Degree l", "20", "20"), ("Order m", "-20", "-20"), ("Degree l", "7", "7")],
        {"L": "20", "l": "7", "m": "-7"},
    ),
    "rows of all harmonics": ("basis&L=10&l=6&m=3", [("Rows to degree", "16", "16")], {"L": "10"}),
    "K within L and k within K": (
        SPHERE,
        [("Max. degree L", "20", "20"), ("Components kept K", "440", "440"), ("Component k", "430", "430")],
        {"L": "20", "K": "440", "k": "430"},
    ),
    "a smaller L takes K and k along": (
        SPHERE.replace("k=1", "k=60"),
        [("Max. degree L", "5", "5"), ("Components kept K", "35", "35"), ("Component k", "35", "35")],
        {"L": "5", "K": "35", "k": "35"},
    ),
    "edges of a box": (BOX, [("Western edge, °", "-170", "-170"), ("Width eastwards, °", "20", "20")], {"L": "6"}),
    "dimensions within L": (
        "embeddings&step=4&ph=3&pw=3",
        [("Max. degree L", "40", "40"), ("Dimensions K", "500", "500"), ("Max. degree L", "20", "20")],
        {"L": "20", "K": "440"},
    ),
    "dimension within K": (
        DIMENSIONS,
        [("Dimensions K", "100", "100"), ("Dimension", "90", "90"), ("Dimensions K", "50", "50")],
        {"K": "50", "k": "50"},
    ),
    "scale feature": ("embeddings&show=scale&step=4&ph=3&pw=3", [("Feature", "10", "10")], {"feature": "10"}),
    "concentration and weight": (
        "mvmf&start=fibonacci",
        [("log₁₀ κ of all", "2.5", "2.50"), ("Weight of all", "1.4", "1.4")],
        {"page": "mvmf"},
    ),
    "learned table": (
        "table",
        [("Columns W", "40", "40"), ("Rows H", "20", "20"), ("Padding", "2", "2"), ("Sample, % of points", "30", "30")],
        {"page": "table"},
    ),
}


def field(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def slider(page: Page, label: str) -> Locator:
    return page.get_by_role("slider", name=label, exact=True)


def type_number(page: Page, label: str, text: str) -> None:
    field(page, label).fill(text)
    field(page, label).press("Enter")


def drag(page: Page, label: str, value: str) -> None:
    """Take the handle where it is and carry it to the value; single steps by key, where a pixel is more than one."""
    handle = slider(page, label)
    handle.scroll_into_view_if_needed()
    eventually(
        lambda: low_high(handle)[0] <= float(value) <= low_high(handle)[1], lambda: f"{label}: {low_high(handle)}"
    )
    box, (low, high) = resting_box(handle), low_high(handle)

    def x(at: float) -> float:
        return box["x"] + 7 + (box["width"] - 14) * (at - low) / (high - low)

    y = box["y"] + box["height"] / 2
    page.mouse.move(x(float(handle.input_value())), y)
    page.mouse.down()
    page.mouse.move(x(float(value)), y, steps=6)
    page.mouse.up()
    step = float(handle.get_attribute("step") or 1)
    for _ in range(40):
        away = round((float(value) - float(handle.input_value())) / step)
        if away == 0:
            return
        handle.press("ArrowRight" if away > 0 else "ArrowLeft")
    raise AssertionError(f"{label} does not reach {value}: {handle.input_value()}")


def low_high(handle: Locator) -> tuple[float, float]:
    return float(handle.get_attribute("min") or 0), float(handle.get_attribute("max") or 0)


@pytest.mark.parametrize("case", CASES)
def test_a_number_is_held_to_the_limits_of_the_moment(page: Page, serve: Callable[..., str], case: str) -> None:
    query, steps, final = CASES[case]
    open_page(page, f"{serve('explorer')}?page={query}", TITLES[query.partition("&")[0]])
    first = [(label, field(page, label).input_value()) for label in dict.fromkeys(label for label, _, _ in steps)]
    for put in (type_number, drag):
        for label, value, shown in steps:
            put(page, label, value)
            expect(field(page, label)).to_have_value(shown)
        eventually(lambda: final.items() <= address_of(page).items(), lambda: f"{address_of(page)} is not {final}")
        label, _, shown = steps[-1]
        expect(field(page, label)).to_have_value(shown)
        expect(field(page, label)).to_have_accessible_description("")
        # back to the first values, so that the next way of putting them has all of it before it
        for label, value in first:
            type_number(page, label, value)
            expect(field(page, label)).to_have_value(value)


@pytest.mark.parametrize(
    ("query", "label", "value"),
    [("data", "Seed", "7"), ("data", "Years", "2"), ("mvmf&start=fibonacci", "Centres K", "5000")],
)
def test_a_number_of_a_wide_range_is_typed(
    page: Page, serve: Callable[..., str], query: str, label: str, value: str
) -> None:
    open_page(page, f"{serve('explorer')}?page={query}", TITLES[query.partition("&")[0]])
    type_number(page, label, value)
    expect(field(page, label)).to_have_value(value)
    expect(slider(page, label)).to_have_value(value)
    expect(field(page, label)).to_have_accessible_description("")


CORRECTIONS = [
    ("99999", "180", "A whole number from 0 to 180: set to 180."),
    ("-5", "0", "A whole number from 0 to 180: set to 0."),
    ("−5", "0", "A whole number from 0 to 180: set to 0."),
    ("2.7", "3", "A whole number from 0 to 180: set to 3."),
    ("2,7", "3", "A whole number from 0 to 180: set to 3."),
    ("abc", "3", "A whole number from 0 to 180: still 3."),
    ("", "3", "A whole number from 0 to 180: still 3."),
    ("12", "12", ""),
]


def test_a_number_that_cannot_be_is_explained(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, f"{serve('explorer')}?page=basis&L=20", "Basis")
    label = "Max. degree L"
    for text, value, sentence in CORRECTIONS:
        type_number(page, label, text)
        expect(field(page, label)).to_have_value(value)
        expect(field(page, label)).to_have_accessible_description(sentence)
        eventually(lambda: address_of(page).get("L") == value, lambda: f"{text}: {address_of(page)}")  # noqa: B023
    for control in (field(page, label), slider(page, label)):
        expect(control).to_have_accessible_description("")
    # leaving the field takes the number too, and the sentence is read with it
    field(page, label).fill("500")
    field(page, "Degree l").click()
    expect(field(page, label)).to_have_value("180")
    expect(field(page, label)).to_have_accessible_description("A whole number from 0 to 180: set to 180.")
    # Escape takes back what was typed
    field(page, label).fill("44")
    field(page, label).press("Escape")
    expect(field(page, label)).to_have_value("180")


def test_keys_move_slider_and_number(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, f"{serve('explorer')}?page=basis&L=20&l=10&m=0", "Basis")
    degree = slider(page, "Degree l")
    degree.focus()
    for key, value in (("ArrowRight", "11"), ("ArrowUp", "12"), ("ArrowLeft", "11"), ("Home", "0"), ("End", "20")):
        degree.press(key)
        expect(field(page, "Degree l")).to_have_value(value)
    degree.press("PageDown")
    expect(degree).to_have_value("18")
    number = field(page, "Degree l")
    for key, value in (("ArrowUp", "19"), ("ArrowDown", "18"), ("PageDown", "8"), ("PageUp", "18"), ("PageUp", "20")):
        number.press(key)
        expect(number).to_have_value(value)
    eventually(lambda: address_of(page)["l"] == "20", lambda: str(address_of(page)))
    number.focus()
    page.keyboard.press("Tab")
    expect(degree).to_be_focused()
    expect(degree).to_have_css("outline-style", "solid")


QUICKLY = """async (slider) => {
  const number = slider.getRootNode().querySelector('input[type=text]'), back = [], told = []
  addEventListener('harmonia:control', ({detail}) => told.push([detail.control, detail.value]))
  const task = () => new Promise((done) => setTimeout(done))
  for (let round = 0; round < 20; round++) {
    for (let value = -9; value < 10; value++) {
      slider.value = value
      slider.dispatchEvent(new Event('input'))
      await task()
      if (number.value !== String(value)) back.push([value, number.value])
    }
    await new Promise((done) => setTimeout(done, 60))
    if (number.value !== '9') back.push([9, number.value])
  }
  return [back, told.length, told.at(-1)]
}"""


def test_answers_of_the_server_never_move_a_handle_back(page: Page, serve: Callable[..., str]) -> None:
    open_page(page, f"{serve('explorer')}?page=basis&L=20&l=20&m=0", "Basis")
    back, count, last = slider(page, "Order m").evaluate(QUICKLY)
    assert back == []
    assert (count, last) == (20 * 19, ["order", 9])
    eventually(lambda: address_of(page).get("m") == "9", lambda: str(address_of(page)))
    expect(field(page, "Order m")).to_have_value("9")


def test_two_typed_numbers_that_follow_at_once_are_both_taken(page: Page, serve: Callable[..., str]) -> None:
    """The second leaves before the server has told the limits that the first one brings."""
    open_page(page, f"{serve('explorer')}?page=basis&L=10&l=6&m=3", "Basis")
    degree, largest = (field(page, label).element_handle() for label in ("Degree l", "Max. degree L"))
    page.evaluate(
        """(numbers) => numbers.forEach(([number, text]) => {
            number.value = text
            number.dispatchEvent(new Event('input'))
            number.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))
        })""",
        [[largest, "60"], [degree, "45"]],
    )
    expect(field(page, "Degree l")).to_have_value("45")
    eventually(lambda: (address_of(page)["L"], address_of(page)["l"]) == ("60", "45"), lambda: str(address_of(page)))


def test_a_selected_number_that_follows_another_stays_selected(page: Page, serve: Callable[..., str]) -> None:
    """Else the text typed over it is added to the number that has come meanwhile."""
    open_page(page, f"{serve('explorer')}?page=basis&L=60&l=45&m=3", "Basis")
    degree = field(page, "Degree l")
    degree.select_text()
    largest = slider(page, "Max. degree L")
    largest.evaluate("slider => { slider.value = 20; slider.dispatchEvent(new Event('input')) }")
    expect(degree).to_have_value("20")
    expect(degree).to_be_focused()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(degree).to_have_value("7")
    eventually(lambda: address_of(page)["l"] == "7", lambda: str(address_of(page)))
