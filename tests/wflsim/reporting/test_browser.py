"""The page in a real browser: charts, keys, colours, what people with other needs meet, and that nothing is asked for."""

import base64
import json
import re
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from tests.wflsim.reporting.conftest import RUNS
from wflsim.reporting.page import Asked, rendered, report
from wflsim.results import load

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
axe_core = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium or no chromedriver"),
]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
WIDE, NARROW = (1280, 900), (360, 740)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def file(tmp_path_factory, page):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def opened(driver, file):
    """Return the browser with the report, by day and wide; no script has failed when a test is over."""
    look(driver, file)
    yield driver
    assert driver.get_log("browser") == []


def look(driver, file, size=WIDE, scheme="light", scripts=True):
    """Open a page anew, in a window of some size, by day or by night."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    driver.get_log("performance")
    driver.get(file.as_uri())
    if scripts:
        driver.execute_script("localStorage.clear()")
        driver.refresh()


def one(driver, selector):
    return driver.find_element("css selector", selector)


def every(driver, selector):
    return driver.find_elements("css selector", selector)


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def focus(driver, element):
    driver.execute_script("arguments[0].focus()", element)


def choose(driver, chart, label, text):
    from selenium.webdriver.support.ui import Select

    for field in every(driver, f"[data-chart={chart}] label.field"):
        if field.text.startswith(label):
            Select(field.find_element("css selector", "select")).select_by_visible_text(text)
            return
    raise AssertionError(label)


def told(driver):
    """Return the lines of what is told of a mark; none if nothing is."""
    return [line.text for line in every(driver, "#tip:not([hidden]) p")]


def bars(driver):
    return [
        (bar.get_attribute("data-key"), float(bar.get_attribute("width")))
        for bar in every(driver, "[data-chart=timeline] .canvas .phase")
    ]


def background(driver):
    return driver.execute_script("return getComputedStyle(document.body).backgroundColor")


def test_the_file_alone_is_asked_for(driver, file):
    look(driver, file)
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert file.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()}
    assert driver.get_log("browser") == []


def test_a_column_sorts_the_rows_by_the_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    table = "#outcomes table"
    names = lambda: [row.text for row in every(opened, f"{table} tbody th")]  # noqa: E731
    header = next(
        each for each in every(opened, f"{table} thead th") if each.text.startswith("energy")
    )
    assert names() == ["pruned", "fedalt", "fedavg"]
    assert header.get_attribute("aria-sort") is None
    focus(opened, header.find_element("css selector", "button"))
    press(opened, Keys.ENTER)
    assert header.get_attribute("aria-sort") == "ascending"
    assert names() == ["pruned", "fedalt", "fedavg"]
    press(opened, Keys.SPACE)
    assert header.get_attribute("aria-sort") == "descending"
    assert names() == ["fedavg", "fedalt", "pruned"]
    every(opened, f"{table} thead button")[1].click()
    assert header.get_attribute("aria-sort") is None
    assert names() == ["fedalt", "pruned", "fedavg"]


def test_what_nobody_reached_stays_last_in_both_directions(opened):
    button = next(each for each in every(opened, "#outcomes thead button") if "target" in each.text)
    for _ in range(2):
        button.click()
        assert every(opened, "#outcomes tbody th")[-1].text == "fedavg"


def test_a_variant_that_is_switched_off_leaves_both_charts(opened):
    marks = lambda chart: len(every(opened, f"[data-chart={chart}] .canvas .mark"))  # noqa: E731
    assert (marks("tradeoff"), marks("progress")) == (3, 3)
    button = one(opened, "[data-chart=tradeoff] .legend button")
    assert button.text == "pruned"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert (
        one(opened, "[data-chart=progress] .legend button").get_attribute("aria-pressed") == "false"
    )
    assert (marks("tradeoff"), marks("progress")) == (2, 2)
    button.click()
    assert (marks("tradeoff"), marks("progress")) == (3, 3)


def test_axes_of_the_trade_off_can_be_chosen(opened, told_by_tables):
    drawn = lambda: one(opened, "[data-chart=tradeoff] .canvas svg").get_attribute("aria-label")  # noqa: E731
    assert drawn() == "accuracy, own models over time"
    choose(opened, "tradeoff", "spent", "energy")
    choose(opened, "tradeoff", "gained", "accuracy, global model")
    assert drawn() == "accuracy, global model over energy"
    said = [
        mark.get_attribute("aria-label")
        for mark in every(opened, "[data-chart=tradeoff] .canvas .mark")
    ]
    assert [text.partition(";")[0] for text in said] == ["pruned", "fedalt", "fedavg"]
    for text, mean in zip(said, told_by_tables, strict=True):
        assert f"energy: {mean:#.4g}" in text


@pytest.fixture(scope="module")
def told_by_tables(seeds):
    """Return the mean joules of each variant, in their order."""
    return seeds.finals.groupby("variant", sort=False)["energy_j"].mean().tolist()


def test_the_front_joins_whom_no_other_dominates(opened):
    marks = every(opened, "[data-chart=tradeoff] .canvas .mark")
    on = {
        m.get_attribute("aria-label").partition(";")[0]
        for m in marks
        if "dominated by none" in m.get_attribute("aria-label")
    }
    assert on == {"pruned", "fedalt"}


def test_marks_are_walked_through_by_arrows_and_tell_of_themselves(opened):
    from selenium.webdriver.common.keys import Keys

    marks = every(opened, "[data-chart=tradeoff] .canvas .mark")
    assert [mark.get_attribute("tabindex") for mark in marks] == ["0", "-1", "-1"]
    focus(opened, marks[0])
    assert told(opened)[0] == "pruned"
    press(opened, Keys.ARROW_RIGHT)
    assert told(opened)[0] == "fedalt"
    press(opened, Keys.ESCAPE)
    assert told(opened) == []
    press(opened, Keys.TAB)
    assert opened.switch_to.active_element.get_attribute("class") != "mark"


def test_progress_is_drawn_over_rounds_too(opened):
    chart = one(opened, "[data-chart=progress] .canvas svg")
    assert chart.get_attribute("aria-label").endswith("over simulated time")
    focus(opened, one(opened, "input[name=over][value=round]"))
    press(opened, " ")
    chart = one(opened, "[data-chart=progress] .canvas svg")
    assert chart.get_attribute("aria-label").endswith("over round")
    bands = lambda: len(every(opened, "[data-chart=progress] .band"))  # noqa: E731
    assert bands() == 3
    one(opened, "[data-chart=progress] .controls button").click()
    assert bands() == 0


def test_a_curve_says_where_it_ends_if_seeds_end_apart(opened):
    label = one(opened, "[data-chart=progress] .canvas .mark").get_attribute("aria-label")
    assert " s, where the first seed ends: " in label
    one(opened, "input[name=over][value=round]").click()
    label = one(opened, "[data-chart=progress] .canvas .mark").get_attribute("aria-label")
    assert " at the end: " in label
    assert re.search(r"; the end: round \d+$", label)


def test_points_of_a_sweep_have_dashes_and_names_of_their_own(driver, seeds, tmp_path):
    found = report(seeds, Asked(["runs"]))
    lines = [{"name": f"pruned, {n}", "variant": 0, "point": f"size {n}"} for n in range(3)]
    path = tmp_path / "swept.html"
    path.write_text(rendered(replace(found, drawn={**found.drawn, "lines": lines})))
    look(driver, path)
    curves = every(driver, "[data-chart=progress] .canvas .curve")
    assert len({curve.get_attribute("stroke-dasharray") for curve in curves}) == 3
    names = [text.text for text in every(driver, "[data-chart=progress] .canvas text")]
    assert "size 0" in names
    assert driver.get_log("browser") == []


def test_more_variants_than_colours_are_told_apart_by_dash_and_shape(driver, seeds, tmp_path):
    found = report(seeds, Asked(["runs"]))
    many = [f"variant {n}" for n in range(28)]
    path = tmp_path / "many.html"
    path.write_text(rendered(replace(found, drawn={**found.drawn, "variants": many})))
    look(driver, path)
    looks = {
        (line.get_attribute("class"), line.get_attribute("stroke-dasharray"))
        for line in every(driver, "[data-chart=progress] .legend line")
    }
    marks = {
        (mark.get_attribute("class"), mark.get_attribute("d"))
        for mark in every(driver, "[data-chart=progress] .legend path")
    }
    assert len(looks) == len(marks) == len(many)


def test_another_round_and_another_variant_have_other_bars(opened):
    first = bars(opened)
    assert len({key.partition("/")[0] for key, _ in first}) == 10
    rounds = [
        each.text for each in every(opened, "[data-chart=timeline] label:nth-of-type(3) option")
    ]
    assert rounds[0].endswith("(typical)")
    choose(opened, "timeline", "round", rounds[-1])
    second = bars(opened)
    assert second != first
    choose(opened, "timeline", "variant", "fedavg")
    assert bars(opened) not in (first, second)
    said = one(opened, "[data-chart=timeline] [aria-live]").text
    assert "sets the length" in said


def test_the_time_line_zooms_moves_and_keeps_its_place_by_keys(opened):
    from selenium.webdriver.common.keys import Keys

    whole = dict(bars(opened))
    focus(opened, one(opened, "[data-chart=timeline] .canvas .phase"))
    press(opened, Keys.ARROW_RIGHT)
    key = opened.switch_to.active_element.get_attribute("data-key")
    assert key == "0/0/compute"
    assert told(opened)[0] == "device 0, computing"
    assert any("J" in line for line in told(opened))
    press(opened, "+")
    assert opened.switch_to.active_element.get_attribute("data-key") == key
    assert dict(bars(opened)) != whole
    press(opened, "0")
    assert dict(bars(opened)) == whole
    press(opened, Keys.ARROW_DOWN)
    assert opened.switch_to.active_element.get_attribute("data-key") == "1/0/compute"
    one(opened, "[aria-label='zoom in']").click()
    near = dict(bars(opened))
    one(opened, "[aria-label='later']").click()
    assert dict(bars(opened)) != near
    one(opened, "[aria-label='the whole round']").click()
    assert dict(bars(opened)) == whole


def test_numbers_below_a_narrow_stretch_of_a_round_are_told_apart(opened):
    for _ in range(11):
        one(opened, "[aria-label='zoom in']").click()
    texts = [
        text.text
        for text in every(opened, "[data-chart=timeline] .canvas text[text-anchor=middle]")
    ]
    assert len(texts) > 2
    assert len(set(texts)) == len(texts)


def test_the_critical_device_is_marked(opened):
    (name,) = every(opened, "[data-chart=timeline] .row-name.critical")
    assert name.text.startswith("◆")


def test_the_button_changes_between_day_and_night(opened):
    button = one(opened, "#theme")
    day = background(opened)
    button.click()
    night = background(opened)
    assert (day, night) == ("rgb(255, 255, 255)", "rgb(17, 21, 24)")
    opened.refresh()
    assert background(opened) == night
    one(opened, "#theme").click()
    assert background(opened) == day


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(driver, file, scheme):
    look(driver, file, scheme=scheme)
    driver.execute_script(
        "document.querySelectorAll('details').forEach((each) => (each.open = true))"
    )
    code = (Path(axe_core.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": code})
    found = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert len(found["passes"]) > 20
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []


@pytest.mark.parametrize("run", ["page", "evil"])
def test_a_narrow_page_does_not_move_sideways(driver, file, evil, tmp_path, run):
    path = file
    if run == "evil":
        path = tmp_path / "evil.html"
        path.write_text(rendered(report(load(evil), Asked(["evil"]))), encoding="utf-8")
    look(driver, path, size=NARROW)
    wide, seen = driver.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert wide == seen <= NARROW[0]
    assert driver.title.startswith("quickstart" if run == "page" else "</script>")
    assert driver.get_log("browser") == []


def test_texts_of_figures_have_the_pages_ink_unless_they_have_their_own(driver, tmp_path):
    path = tmp_path / "grouped.html"
    path.write_text(rendered(report(load(RUNS / "grouped"), Asked(["run"]))), encoding="utf-8")
    look(driver, path, scheme="dark")
    inks = lambda name: {  # noqa: E731
        text.value_of_css_property("fill") for text in every(driver, f"#figure-{name} text")
    }
    assert inks("cdf") == {"rgb(232, 234, 236)"}
    assert inks("groups") == {"rgb(0, 0, 0)", "rgb(255, 255, 255)"}


def test_without_scripts_tables_and_figures_are_there(driver, file):
    look(driver, file, scripts=False)
    try:
        said = every(driver, "noscript p")
        assert len(said) == 3
        assert all(each.is_displayed() for each in said)
        assert every(driver, "#outcomes tbody tr")[0].is_displayed()
        assert every(driver, "#figures svg")[0].is_displayed()
        assert not one(driver, "#theme").is_displayed()
        assert not any(each.is_displayed() for each in every(driver, "[data-chart]"))
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_it_is_not_blank(driver, file, scheme):
    from PIL import Image

    look(driver, file, scheme=scheme)
    data = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    with Image.open(BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == WIDE
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 20)
    most, ground = max(colours)
    assert (sum(ground) > 600) == (scheme == "light")
    assert len(colours) > 50
    assert most < 0.98 * WIDE[0] * WIDE[1]
