"""The page of explorers as visitors see it: tabs, sliders, two at once, reload, a dead kernel, a stopped server."""

import json
import time

import psutil
import pytest
from seen import DESKTOP, PHONE, drag, keep, serving, wait_for_new_picture

from fourier_lab.widgets import explore_results

OF_SITE = ("Basis", "Release")  # explorers that compute in the browser
TABS = (*OF_SITE, "Geometry", "Sentences", "Train", "Results", "Bake-off", "Curves", "Figures")


@pytest.fixture(scope="module")
def server(tmp_path_factory, browser):
    log = tmp_path_factory.mktemp("app") / "log.txt"
    command = ["fourier_lab", "app", "--no-browser", "--port", "18866"]
    with serving(command, r"http://127\.0\.0\.1:\d+/\?token=\w+", log, FOURIER_LAB_HEADLESS="1") as running:
        yield running


@pytest.fixture(scope="module")
def page(server, visit):
    return visit(server[1])


def picture(page):
    """Return the image of the tab in view."""
    found = page.locator(".widget-tab-contents img:visible").first
    found.wait_for()
    return found


def explorer(page, tab):
    """Return the page within the page that an explorer of the site is, once it is drawn."""
    within = page.frame_locator(f"iframe[title='{tab.lower()} explorer']")
    within.locator("#settings[data-drawn]").wait_for()
    return within


def select(page, tab):
    page.get_by_role("tab", name=tab).click()
    return explorer(page, tab).locator("#picture svg").first if tab in OF_SITE else picture(page)


def handle(page, label):
    """Return the handle of the slider with this label."""
    return page.locator(f".widget-inline-hbox:visible:has(label:text-is('{label}'))").locator("[role=slider]")


def kernel_of(page):
    return json.loads(page.locator("#jupyter-config-data").text_content())["kernelId"]


def process_of(server, kernel):
    """Return the process of a kernel; its connection file has the kernel's name."""
    kernels = psutil.Process(server[0].pid).children()
    (process,) = [child for child in kernels if kernel in " ".join(child.cmdline())]
    return process


def test_every_tab_opens_with_a_picture_at_both_widths(page):
    for tab in TABS:
        select(page, tab).wait_for()
        assert page.locator("[role=alert]:visible").count() == 0, tab
        for device, size in {"phone": PHONE, "desktop": DESKTOP}.items():
            page.set_viewport_size(size)
            page.wait_for_function("width => document.scrollingElement.clientWidth === width", arg=size["width"])
            widest = page.evaluate(
                "Math.max(...['body', '#rendered_cells', '.widget-tab-contents'].map("
                "name => document.querySelector(name)).concat([...document.querySelectorAll('iframe')].map("
                "frame => frame.contentDocument.body)).map(e => e.scrollWidth - e.clientWidth))"
            )
            assert widest <= 0, f"{tab} on a {device} is {widest} pixels too wide"
            keep(page, f"app_{tab.lower()}_{device}")
    assert page.troubles == []


def test_a_click_into_a_picture_chooses_a_point(page):
    image = select(page, "Results")
    chosen = page.locator(".widget-inline-hbox:visible:has(label:text-is('point'))").locator("select")
    before, value = image.get_attribute("src"), chosen.evaluate("e => e.value")
    box = image.bounding_box()
    figure = explore_results().figure  # where a point is, the same records say without a browser
    figure.draw_without_rendering()
    (*_, spot) = figure.axes[0].lines[0].get_xydata()
    right, up = figure.axes[0].transData.transform(spot) / figure.bbox.size
    image.click(position={"x": right * box["width"], "y": (1 - up) * box["height"]})
    wait_for_new_picture(page, image, before)
    assert chosen.evaluate("e => e.value") != value
    keep(page, "app_results_clicked")
    assert page.troubles == []


def test_the_first_tab_answers_before_there_is_a_widget(server, visit):
    page = visit("about:blank")
    held = []
    page.route("**/voila.js", lambda route: held.append(route))
    page.goto(server[1], wait_until="commit")
    within = explorer(page, "Basis")
    slider = within.get_by_label("p, first id, slider")
    slider.press("ArrowRight")
    within.get_by_text("cosine 1.000000").wait_for()
    assert page.get_by_role("tab").count() == 0
    for route in held:
        route.continue_()
    select(page, "Results")
    assert not page.locator("#first").is_visible()
    page.get_by_role("tab", name="Basis").click()
    assert slider.input_value() == "2001"  # as it was left
    frame = page.locator("#first")
    assert frame.bounding_box()["height"] == frame.evaluate("e => e.contentDocument.body.offsetHeight")
    keep(page, "app_basis_moved")
    assert page.troubles == []


def test_sliders_answer_to_keys_and_mouse_with_a_new_picture(page):
    image = select(page, "Results")
    before, slider = image.get_attribute("src"), handle(page, "budget (parameters)").first
    value = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    after = wait_for_new_picture(page, image, before)
    assert slider.get_attribute("aria-valuetext") != value
    drag(page, slider, 40)
    wait_for_new_picture(page, image, after)
    keep(page, "app_results_moved")
    page.get_by_role("tab", name="Release").click()
    within = explorer(page, "Release")
    before = within.locator("#words").inner_text()
    within.get_by_label("M, period in ids, slider").press("PageUp")
    within.locator("#words", has_not_text=before.splitlines()[0]).wait_for()
    assert page.troubles == []


def test_bad_input_gives_a_sentence_and_leaves_the_picture(page):
    image = select(page, "Geometry")
    before = image.get_attribute("src")
    entry = page.locator(".widget-text:visible input").first
    entry.fill("qwertyuiop")
    entry.press("Enter")
    sentence = page.locator("[role=alert]:visible")
    sentence.wait_for()
    assert "qwertyuiop" in sentence.inner_text() and image.get_attribute("src") == before
    keep(page, "app_unknown_word")
    assert page.troubles == []


def test_two_visitors_do_not_see_each_other_and_reload_starts_afresh(server, page, visit):
    mine = select(page, "Results").get_attribute("src")
    other = visit(server[1])
    image = select(other, "Results")
    before, slider = image.get_attribute("src"), handle(other, "budget (parameters)").first
    first = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    wait_for_new_picture(other, image, before)
    assert picture(page).get_attribute("src") == mine
    left = kernel_of(other)
    other.reload(wait_until="commit")
    select(other, "Results")
    assert kernel_of(other) != left
    start, _, token = server[1].partition("?")
    assert other.request.get(f"{start}api/kernels/{left}?{token}").status == 404  # shut down, not left behind
    assert handle(other, "budget (parameters)").first.get_attribute("aria-valuetext") == first
    assert other.troubles == []


def test_training_grows_before_the_eyes_and_ends_with_the_page(server, visit):
    page = visit(server[1])
    image = select(page, "Train")
    before = image.get_attribute("src")
    page.get_by_role("button", name="start").click()
    started = wait_for_new_picture(page, image, before)
    wait_for_new_picture(page, image, started)
    keep(page, "app_train_at_work")
    assert page.locator("[role=alert]:visible").count() == 0 and page.troubles == []
    workers = process_of(server, kernel_of(page)).children(recursive=True)
    page.goto("about:blank")
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_a_dead_kernel_is_said_and_reload_gives_a_new_one(server, page):
    image = select(page, "Results")
    kernel = kernel_of(page)
    process_of(server, kernel).kill()
    notice = page.locator("#gone")
    notice.wait_for()
    assert "has ended" in notice.inner_text() and image.is_visible()
    keep(page, "app_dead_kernel")
    notice.get_by_role("button", name="Reload").click()
    notice.wait_for(state="hidden")
    image = select(page, "Results")
    before = image.get_attribute("src")
    assert kernel_of(page) != kernel
    handle(page, "budget (parameters)").first.press("ArrowRight")
    wait_for_new_picture(page, image, before)
    page.troubles.clear()  # the console tells of the lost kernel, as it should


def test_a_stopped_server_is_said(server, page):
    picture(page).wait_for()
    server[0].terminate()
    notice = page.locator("#gone")
    notice.wait_for()
    deadline = time.monotonic() + 60
    while "does not answer" not in notice.inner_text():
        assert time.monotonic() < deadline, notice.inner_text()
        page.wait_for_timeout(500)
    keep(page, "app_stopped_server")
