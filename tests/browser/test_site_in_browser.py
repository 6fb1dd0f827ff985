"""The static site in a browser, from files: pages load whole, and a phone shows them without scrolling sideways."""

from seen import PHONE, keep

from fourier_lab.site import build_site


def test_every_page_loads_whole_and_fits_a_phone(tmp_path, visit):
    first = build_site(tmp_path / "site")
    pages = sorted(first.parent.rglob("*.html"))
    assert {"index.html", "study.html", "figures.html"} <= {path.name for path in pages}
    for path in pages:
        page = visit(path.as_uri(), viewport=PHONE)
        page.wait_for_load_state("load")
        too_wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        name = path.relative_to(first.parent).with_suffix("").as_posix().replace("/", "_")
        keep(page, f"site_{name}_phone")
        assert too_wide <= 0, f"{name} is {too_wide} pixels too wide"
        assert page.troubles == []
        page.close()


def test_figures_appear_and_tell_where_they_come_from(tmp_path, visit):
    page = visit(build_site(tmp_path / "site").as_uri())
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
