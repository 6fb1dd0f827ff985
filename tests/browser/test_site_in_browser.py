"""The static site in a browser, from files: pages load whole, and everyone can read them, on a phone too."""

from pathlib import Path

from seen import PHONE, keep

AXE = Path(__file__).resolve().parent / "vendored/axe.min.js"
# Whatever stands in somebody's way, and where: a label that is missing, a contrast that is too low.
BARRIERS = """axe.run(document, {resultTypes: ["violations"], preload: false}).then(({violations}) =>
  violations.map(({help, nodes}) => `${help}: ${nodes.map(({html}) => html.slice(0, 99)).slice(0, 3).join("; ")}`))"""

OPEN_ALL = "for (const part of document.querySelectorAll('#found, details')) [part.hidden, part.open] = [false, true]"


def test_every_page_loads_whole_fits_a_phone_and_shuts_nobody_out(site, visit):
    pages = sorted(site.rglob("*.html"))
    assert {"index.html", "study.html", "figures.html", "basis.html"} <= {path.name for path in pages}
    assert any(path.parent.name == "notebooks" and path.name[0].isdigit() for path in pages)
    for path in pages:
        page = visit(path.as_uri(), viewport=PHONE)
        page.wait_for_load_state("load")
        if page.locator("#settings").count():
            page.locator("#settings[data-drawn]").wait_for()
        page.evaluate(
            "for (const part of document.querySelectorAll('#found, details')) [part.hidden, part.open] = [false, true]"
        )
        too_wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        name = path.relative_to(site).with_suffix("").as_posix().replace("/", "_")
        keep(page, f"site_{name}_phone")
        assert too_wide <= 0, f"{name} is {too_wide} pixels too wide"
        page.add_script_tag(path=AXE)
        assert page.evaluate(BARRIERS) == [], name
        assert page.troubles == []
        page.close()


def test_figures_appear_and_tell_where_they_come_from(site, visit):
    page = visit((site / "index.html").as_uri())
    page.get_by_role("link", name="Figures", exact=True).click()
    figure = page.locator("figure").last
    figure.scroll_into_view_if_needed()
    image = figure.locator("img").element_handle()
    # Scrolled again at each look: pictures above may come in late and move this one out of sight, where it is not loaded.
    page.wait_for_function("i => (i.scrollIntoView(), i.complete && i.naturalWidth > 0)", arg=image)
    figure.get_by_text("Numbers and provenance").click()
    assert "configuration" in figure.inner_text() or "Notebook" in figure.inner_text()
    keep(page, "site_figures_desktop")
    assert page.troubles == []


def test_search_finds_a_section_by_its_words_and_leads_there(site, visit):
    page = visit((site / "search.html").as_uri(), offline=True)
    page.get_by_label("Words").fill("Fourier learned")
    texts = page.evaluate("""[...document.querySelectorAll("#found a")].map(link => {
      const own = LabData.search.find(({address}) => address === link.getAttribute("href"));
      return `${own.heading} ${own.text}`.toLowerCase();
    })""")
    assert texts and all("fourier" in text and "learned" in text for text in texts)
    link = page.locator("#found a").first
    address = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**/{address}")
    page.go_back()
    page.get_by_label("Words").fill("zzzz")
    page.get_by_text("No section has all these words").wait_for()
    assert page.troubles == []


def test_a_lesson_waits_for_a_prediction_and_keeps_it_in_the_browser(site, visit):
    address = (site / "course/02_train_both.html").as_uri()
    page = visit(f"{address}#%E0%A4", offline=True)  # a link that was cut
    guess, found = page.get_by_label("Your prediction"), page.locator("#found")
    assert not found.is_visible()
    guess.press("Tab")
    page.keyboard.press("Enter")  # "Show what was found", with nothing written
    assert "Write down a guess first" in page.locator("#note").inner_text() and not found.is_visible()
    page.keyboard.type("the table")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert found.is_visible() and page.locator("#found img").count() == 3
    answer = page.locator("details.answer").first
    assert "1. Harmonic and log" in answer.inner_text() and not answer.locator("p").first.is_visible()
    answer.locator("summary").press("Enter")
    assert answer.locator("p").first.is_visible()
    page.reload()
    assert guess.input_value() == "the table" and found.is_visible()
    keep(page, "site_lesson_desktop")
    page.get_by_role("button", name="Forget").click()
    page.reload()
    assert guess.input_value() == "" and not found.is_visible()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert found.is_visible() and page.locator("details.answer p").last.is_visible()
    page.emulate_media(media="screen")
    page.goto(f"{address}#exercises")  # as the search leads to it
    assert page.locator("#exercises").is_visible()
    still = visit(address, java_script_enabled=False)
    assert still.locator("#found").is_visible() and still.locator("details.answer p").last.is_visible()
    assert page.troubles == still.troubles == []


def test_the_site_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 25e6
