"""The report in a real browser: what is clicked, dragged and seen. Skipped where Chromium is not installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut, coffee
from typer.testing import CliRunner

from hpcmbal.cli.app import app

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install '.[dev]'")

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 320, 240
CHROMIUM_ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *(
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),  # no network
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "images").mkdir()
    for name, photo in (("astronaut", astronaut()), ("coffee", coffee())):
        Image.fromarray(photo).crop((0, 0, WIDTH, HEIGHT)).save(folder / "images" / f"{name}.png")
    arguments = ["--data", str(folder / "images"), "--anchor", "jpeg,webp", "--viewer", "2", "-o", str(folder / "out")]
    result = CliRunner().invoke(app, ["eval", *arguments, "--bootstrap", "20", "--workers", "1"])
    assert result.exit_code == 0, result.output
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in CHROMIUM_ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as started:
        yield started


@pytest.fixture
def page(chromium: webdriver.Chrome, report: Path) -> webdriver.Chrome:
    show(chromium, report, width=1200)
    return chromium


def show(chromium: webdriver.Chrome, report: Path, *, width: int, scheme: str = "light") -> None:
    """Open the report in a viewport of this width, with the user's preference for light or dark."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
    chromium.get(report.as_uri())


def border(page: webdriver.Chrome) -> float:
    """Where the right picture begins, in pixels of the canvas."""
    return float(page.find_element(By.ID, "handle").value_of_css_property("left").removesuffix("px"))


def test_no_error_is_logged(page: webdriver.Chrome) -> None:
    assert page.get_log("browser") == []


def test_pictures_are_drawn_at_their_size(page: webdriver.Chrome) -> None:
    sizes = page.execute_script(
        "return ['under', 'over'].map(id => document.getElementById(id)).map(i => [i.naturalWidth, i.naturalHeight])"
    )
    assert sizes == [[WIDTH, HEIGHT], [WIDTH, HEIGHT]]


def test_a_click_puts_the_border_there_and_a_drag_takes_it_along(page: webdriver.Chrome) -> None:
    canvas = page.find_element(By.ID, "canvas")
    assert border(page) == pytest.approx(WIDTH / 2, abs=1)
    ActionChains(page).move_to_element_with_offset(canvas, -60, 0).click().perform()
    assert border(page) == pytest.approx(WIDTH / 2 - 60, abs=1.5)
    ActionChains(page).click_and_hold().move_by_offset(140, 20).release().perform()
    assert border(page) == pytest.approx(WIDTH / 2 + 80, abs=1.5)
    clip = page.find_element(By.ID, "over").value_of_css_property("clip-path")
    assert float(clip.removesuffix("px)").split()[-1]) == pytest.approx(border(page), abs=0.1)


def test_the_pictures_can_be_chosen(page: webdriver.Chrome) -> None:
    Select(page.find_element(By.ID, "image")).select_by_visible_text("coffee.png")
    Select(page.find_element(By.ID, "left")).select_by_visible_text("jpeg")
    Select(page.find_element(By.ID, "right")).select_by_visible_text("webp")
    assert page.find_element(By.ID, "left-caption").text.startswith("jpeg: ")
    assert page.find_element(By.ID, "right-caption").text.startswith("webp: ")
    sources = [page.find_element(By.ID, name).get_attribute("src") for name in ("under", "over")]
    assert sources[0] != sources[1]


def test_a_rate_can_be_chosen_and_pictures_are_near_it(page: webdriver.Chrome) -> None:
    Select(page.find_element(By.ID, "left")).select_by_visible_text("jpeg")
    Select(page.find_element(By.ID, "right")).select_by_visible_text("webp")
    levels = Select(page.find_element(By.ID, "level"))
    labels = [option.text for option in levels.options]
    assert len(labels) == 3
    for label in labels:
        levels = Select(page.find_element(By.ID, "level"))
        levels.select_by_visible_text(label)
        wanted = float(label.removesuffix(" bpp"))
        for side in ("left", "right"):
            caption = page.find_element(By.ID, f"{side}-caption").text
            assert float(caption.split(": ")[1].split(" bpp")[0]) == pytest.approx(wanted, rel=0.12)


def test_differences_are_shown_in_place_of_the_slider(page: webdriver.Chrome) -> None:
    over = page.find_element(By.ID, "over")
    assert over.value_of_css_property("mix-blend-mode") == "normal"
    page.find_element(By.CSS_SELECTOR, "[data-mode='difference']").click()
    assert over.value_of_css_property("mix-blend-mode") == "difference"
    assert over.value_of_css_property("clip-path") == "none"
    page.find_element(By.CSS_SELECTOR, "[data-mode='slider']").click()
    assert over.value_of_css_property("mix-blend-mode") == "normal"


@pytest.mark.parametrize("width", [390, 1200])
def test_a_tap_enlarges_a_figure_and_another_makes_it_small_again(
    chromium: webdriver.Chrome, report: Path, width: int
) -> None:
    show(chromium, report, width=width)
    summary = chromium.find_element(By.CSS_SELECTOR, ".figure summary")
    before = summary.find_element(By.TAG_NAME, "img").size["width"]
    summary.click()
    assert summary.find_element(By.TAG_NAME, "img").size["width"] > 1.5 * before
    summary.click()
    assert summary.find_element(By.TAG_NAME, "img").size["width"] == before


def test_the_keyboard_reaches_everything(page: webdriver.Chrome) -> None:
    """Tab by tab: figures, tables, the viewer's choices and its slider, headings, settings."""
    reached = set()
    for _ in range(80):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.add(page.execute_script("const e = document.activeElement; return e.id || e.tagName"))
    assert {"SUMMARY", "BUTTON", "image", "level", "left", "right", "stage", "split", "curve", "sample-box"} <= reached
    figure = page.find_element(By.CSS_SELECTOR, ".figure summary")
    figure.send_keys(Keys.ENTER)
    assert page.find_elements(By.CSS_SELECTOR, ".figure[open]")
    figure.send_keys(Keys.ENTER)


def test_no_row_is_taller_than_its_text_needs(chromium: webdriver.Chrome, report: Path) -> None:
    """At 390 pixels tables scroll; squeezed columns made rows of ten lines."""
    show(chromium, report, width=390)
    script = "return [...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight)"
    assert max(chromium.execute_script(script)) < 60


def test_zoom_enlarges_and_keeps_the_border_in_sight(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "[data-zoom='4']").click()
    canvas, stage = page.find_element(By.ID, "canvas"), page.find_element(By.ID, "stage")
    assert canvas.size["width"] == 4 * WIDTH
    seen = page.execute_script("return [arguments[0].scrollLeft, arguments[0].clientWidth]", stage)
    assert seen[0] <= border(page) <= seen[0] + seen[1]


def test_a_heading_sorts_its_column(page: webdriver.Chrome) -> None:
    heads = page.find_elements(By.CSS_SELECTOR, "#samples th button")
    index = next(i for i, head in enumerate(heads) if head.text.startswith("bpp"))
    for direction in (1, -1):
        heads[index].click()
        cells = page.find_elements(By.CSS_SELECTOR, f"#samples tbody td:nth-child({index + 1})")
        values = [float(cell.text) for cell in cells]
        assert len(values) > 10
        assert values == sorted(values, reverse=direction < 0)


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_window(chromium: webdriver.Chrome, report: Path, width: int) -> None:
    show(chromium, report, width=width)
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_light_is_light(chromium: webdriver.Chrome, report: Path) -> None:
    brightness = []
    for scheme in ("light", "dark"):
        show(chromium, report, width=1200, scheme=scheme)
        colour = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
        brightness.append(sum(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]))
    assert brightness[0] > 3 * 200
    assert brightness[1] < 3 * 60
