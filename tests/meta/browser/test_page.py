"""The page works in a real browser, by mouse, keyboard and screen reader."""

from __future__ import annotations

import json

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.record.record import Record
from adamax_conformance.reports.render.report import render
from adamax_conformance.tests.meta.browser.chromium import prefer_colors
from adamax_conformance.tests.meta.reports.samples import HOSTILE, divergence, header, verdict

pytest.importorskip("selenium")
from axe_core_python.base import AXE_SCRIPT
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def shown(browser, selector):
    script = (
        "return [...document.querySelectorAll(arguments[0])].filter(e => !e.hidden).map(e => e.textContent)"
    )
    return browser.execute_script(script, selector)


def tick(browser, status, *, on):
    box = one(browser, f"[name=status][value={status}]")
    if box.is_selected() != on:
        box.click()


def rows(browser):
    script = "return [...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden).map(r => r.id)"
    return browser.execute_script(script)


def emulate(browser, *, dark=False, phone=False):
    prefer_colors(browser, "dark" if dark else "light")
    if phone:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)


def requests(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if not address.startswith(("about:", "data:"))]


def test_it_opens_from_disk_with_no_other_request_and_no_message_on_the_console(browser, page):
    assert one(browser, "h1").text.startswith("Does not conform")
    assert requests(browser) == [page]
    assert browser.get_log("browser") == []


def test_the_cause_comes_first(browser):
    assert "takes effect one step late" in one(browser, ".answer").text
    names = "e => e.getAttribute('aria-labelledby') ?? e.className"
    script = f"return [...document.querySelectorAll('main > *')].map({names})"
    assert browser.execute_script(script)[:3] == ["answer", "causes", "tiles"]
    assert [mark.text for mark in all_of(browser, "[data-cause] mark")] == [
        "its group's options in force",
        "the lr of the step before",
    ]


def test_what_conforms_is_folded_away_and_can_be_shown(browser):
    assert not any("conforms" in row for row in shown(browser, "#table tbody tr"))
    tick(browser, "conforms", on=True)
    assert sum("conforms" in row for row in shown(browser, "#table tbody tr")) == 65


def test_a_long_table_is_shown_in_part_and_whole_on_demand(browser, tmp_path):
    render(Record.of(header(), [verdict(Status.SKIPPED, check=f"value/{n}") for n in range(250)]), tmp_path)
    browser.get((tmp_path / "index.html").as_uri())
    assert len(rows(browser)) == 100
    one(browser, "#more").click()
    assert len(rows(browser)) == 250
    assert one(browser, "#rows-shown").text == "250 of 250 checks shown."
    assert not one(browser, "#more").is_displayed()


@pytest.mark.parametrize(
    ("facet", "value", "needle"),
    [("subject", "torch 2.13.0", "torch"), ("dtype", "float64", "float64"), ("group", "special", "special/")],
)
def test_a_filter_leaves_what_it_names(browser, facet, value, needle):
    tick(browser, "conforms", on=True)
    Select(one(browser, f"#{facet}")).select_by_value(value)
    found = shown(browser, "#table tbody tr")
    assert found
    assert all(needle in row for row in found)


def test_the_statuses_filter_divergences_and_rows_alike(browser):
    for status in ("broken", "known", "unspecified", "skipped"):
        tick(browser, status, on=False)
    assert len(rows(browser)) == 4
    assert all("known" not in card.split()[:3] for card in shown(browser, "#cards article"))
    tick(browser, "diverges", on=False)
    assert shown(browser, "#cards article") == []


def test_a_search_finds_words_in_any_order_and_says_how_many(browser):
    one(browser, "#search").send_keys("torch LOCKSTEP/u")
    assert len(rows(browser)) == 2
    assert one(browser, "#rows-shown").text == "2 of 73 checks shown."
    assert one(browser, "#cards-shown").text == "1 of 5 findings shown."


def test_a_search_that_finds_nothing_says_so(browser):
    one(browser, "#search").send_keys("no such thing")
    assert rows(browser) == []
    assert one(browser, "#rows-shown").text.startswith("0 of 73")


def test_reset_brings_everything_back(browser):
    before = rows(browser)
    one(browser, "#search").send_keys("nan")
    one(browser, "#clear").click()
    assert rows(browser) == before


def test_a_heading_sorts_up_then_down_and_says_so(browser):
    tick(browser, "conforms", on=True)
    button = one(browser, "#table thead th button")
    button.click()
    up = shown(browser, "#table tbody tr th")
    assert up == sorted(up)
    assert one(browser, "#table thead th").get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert shown(browser, "#table tbody tr th") == sorted(up, reverse=True)
    assert one(browser, "#table thead th").get_attribute("aria-sort") == "descending"


def test_errors_sort_as_numbers_and_what_has_none_comes_last(browser):
    all_of(browser, "#table thead button")[3].click()
    cells = [row.split("\n")[0] for row in shown(browser, "#table tbody tr td:nth-child(4)")]
    numbers = [float(cell) for cell in cells if cell.strip()]
    assert numbers == sorted(numbers)
    assert "".join(cells[: len(numbers)]).strip()


def test_divergences_are_ordered_by_the_size_of_their_error(browser):
    Select(one(browser, "#order")).select_by_value("size")
    sizes = [float(text.split()[0]) for text in shown(browser, "#cards .size")]
    assert sizes == sorted(sizes, reverse=True)


def test_every_link_leads_to_a_part_of_the_page(browser):
    script = """return [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))
        .filter(h => h.startsWith('#') && !document.getElementById(h.slice(1)))"""
    assert browser.execute_script(script) == []


def test_a_link_out_of_the_page_tells_its_target_nothing(browser):
    script = (
        "return [...document.querySelectorAll('a[href]:not([href^=\"#\"])')].map(a => [a.protocol, a.rel])"
    )
    assert {tuple(each) for each in browser.execute_script(script)} == {("https:", "noopener noreferrer")}


def test_a_view_stands_in_the_address_and_comes_back_from_it(browser):
    one(browser, "#search").send_keys("lockstep")
    Select(one(browser, "#dtype")).select_by_value("float64")
    Select(one(browser, "#order")).select_by_value("size")
    tick(browser, "conforms", on=True)
    tick(browser, "known", on=False)
    all_of(browser, "#table thead button")[3].click()
    all_of(browser, "#table thead button")[3].click()
    seen, address = rows(browser), browser.current_url
    assert seen
    assert "q=lockstep&dtype=float64&order=size" in address
    browser.get("about:blank")
    browser.get(address)
    assert rows(browser) == seen
    assert browser.current_url == address
    assert one(browser, "#search").get_property("value") == "lockstep"
    assert all_of(browser, "#table thead th")[3].get_attribute("aria-sort") == "descending"
    one(browser, "#clear").click()
    assert "q=" not in browser.current_url


def test_the_usual_view_leaves_the_address_as_it_is(browser, page):
    one(browser, "#search").send_keys("nan")
    one(browser, "#clear").click()
    assert browser.current_url == page


@pytest.mark.parametrize(
    "query", ["dtype=none&order=x&status=y&sort=z-down", "sort=-&all=1", "q=%00&subject=<b>"]
)
def test_a_view_that_is_not_one_of_the_page_s_does_no_harm(browser, page, query):
    browser.get("about:blank")
    browser.get(f"{page}?{query}")
    assert one(browser, "#dtype").get_property("value") == ""
    assert one(browser, "#order").get_property("value") == "worst"
    assert browser.get_log("browser") == []


def test_a_filter_keeps_the_anchor_and_a_link_keeps_the_filter(browser):
    Select(one(browser, "#group")).select_by_value("value")
    one(browser, "#table tr.diverges a").click()
    assert "group=value#d" in browser.current_url
    one(browser, "#search").send_keys("theta")
    assert browser.current_url.rpartition("#")[2].startswith("d")


def test_each_finding_leads_to_the_next_and_the_previous_one_that_is_shown(browser):
    tick(browser, "broken", on=False)
    shown_ids = browser.execute_script(
        "return [...document.querySelectorAll('#cards article')].filter(c => !c.hidden).map(c => c.id)"
    )
    assert len(shown_ids) > 2
    browser.execute_script("location.hash = arguments[0]", shown_ids[0])
    for expected in shown_ids[1:]:
        here = browser.execute_script("return location.hash.slice(1)")
        one(browser, f"#{here} .next").click()
        assert browser.execute_script("return location.hash.slice(1)") == expected
        assert one(browser, f"#{expected} .body").is_displayed()
    assert not one(browser, f"#{shown_ids[-1]} .next").is_displayed()
    one(browser, f"#{shown_ids[-1]} .previous").click()
    assert browser.execute_script("return location.hash.slice(1)") == shown_ids[-2]


def test_the_keys_n_and_p_lead_on_and_back_unless_they_are_off_or_typed(browser):
    def here():
        return browser.execute_script("return location.hash.slice(1)")

    body = one(browser, "body")
    body.send_keys("n")
    first = here()
    browser.switch_to.active_element.send_keys("n")
    second = here()
    assert first.startswith("d")
    assert second not in {first, ""}
    browser.switch_to.active_element.send_keys("p")
    assert here() == first
    one(browser, "#search").send_keys("n")
    assert here() == first
    one(browser, "#clear").click()
    one(browser, "#keys").click()
    body.send_keys("n")
    assert here() == first
    assert "keys=off" in browser.current_url


def test_durations_sort_as_numbers(browser):
    all_of(browser, "#table thead button")[4].click()
    cells = [cell.strip() for cell in shown(browser, "#table tbody tr:not([hidden]) td:nth-child(5)")]
    assert cells[0] == "1.25"
    assert not any(cells[1:])  # what took no time that can be shown comes last


def test_a_tile_shows_its_verdicts_alone(browser):
    one(browser, ".tile.unspecified a").click()
    assert {row.split("\n")[0].strip() for row in shown(browser, "#table tbody td:nth-child(2)")}
    assert all("unspecified" in row for row in shown(browser, "#table tbody tr"))


def test_a_cell_of_the_matrix_shows_what_it_counts(browser):
    one(browser, ".matrix td.diverges a").click()
    found = shown(browser, "#table tbody tr")
    assert found
    assert all("torch 2.13.0 · float32 · cpu" in row for row in found)


@pytest.mark.parametrize("selector", ["#table tr.conforms", "#cards article:last-child"])
def test_a_link_to_what_is_hidden_shows_it(browser, page, selector):
    anchor = one(browser, selector).get_attribute("id")
    browser.get("about:blank")
    browser.get(f"{page}#{anchor}")
    target = browser.find_element(By.ID, anchor)
    assert target.is_displayed()
    if target.tag_name == "article":
        assert one(target, ".body").is_displayed()


def test_a_row_leads_to_its_evidence_and_the_evidence_to_each_row(browser):
    row = browser.execute_script(
        "return [...document.querySelectorAll('#table tr.diverges')].find(r => r.textContent.includes('float64')).id"
    )
    one(browser, f"#{row} a").click()
    card = browser.execute_script("return location.hash.slice(1)")
    links = [link.get_attribute("href").rpartition("#")[2] for link in all_of(browser, f"#{card} .place")]
    assert row in links
    assert len(links) == 2
    assert one(browser, f"#{card} .body").is_displayed()


def test_scripts_are_copied_to_the_clipboard_as_they_stand(browser):
    for name in ("clipboard-read", "clipboard-write"):
        browser.execute_cdp_cmd("Browser.setPermission", {"permission": {"name": name}, "setting": "granted"})
    snippet = one(browser, "article details[open] .snippet")
    one(snippet, ".copy").click()
    copied = browser.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done(String(e)))"
    )
    assert copied == one(snippet, "code").get_property("textContent")
    assert copied.startswith("# rule/documented")


def test_every_control_is_reached_by_the_keyboard(browser):
    reached = set()
    body = one(browser, "body")
    body.send_keys(Keys.TAB)
    for _ in range(120):
        active = browser.switch_to.active_element
        reached.add((active.tag_name, active.get_attribute("class"), active.get_attribute("id")))
        active.send_keys(Keys.TAB)
    names = {tag for tag, _, _ in reached}
    assert {"a", "input", "select", "button", "summary"} <= names
    assert any("skip" in (classes or "") for _, classes, _ in reached)


def test_the_skip_link_leads_to_the_report(browser):
    one(browser, "body").send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "main"


def test_pictures_are_drawn_and_have_words_and_data_beside_them(browser):
    pytest.importorskip("matplotlib")
    figures = all_of(browser, "figure")
    assert len(figures) >= 4
    for figure in figures:
        assert one(figure, "figcaption").get_property("textContent").strip()
        assert all_of(figure, "svg path")
        assert len(all_of(figure, "tbody tr")) > 1


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("which", ["page", "run", "comparison"])
def test_nothing_stands_in_the_way_of_assistive_technology(request, browser, which, dark, phone):
    browser.get(request.getfixturevalue(which))
    emulate(browser, dark=dark, phone=phone)
    for details in all_of(browser, "details"):
        browser.execute_script("arguments[0].open = true", details)
    browser.execute_script(AXE_SCRIPT)
    result = browser.execute_async_script("const done = arguments[0]; axe.run(document).then(done)")
    found = {v["id"]: [node["html"][:200] for node in v["nodes"]][:5] for v in result["violations"]}
    assert found == {}


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("which", ["page", "run", "comparison"])
def test_the_page_is_never_wider_than_its_window(request, browser, which, width):
    browser.get(request.getfixturevalue(which))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE | {"width": width})
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_comparison_loads_nothing_and_runs_nothing(browser, comparison):
    browser.get_log("performance")
    browser.get(comparison)
    assert requests(browser) == [comparison]
    assert browser.get_log("browser") == []
    assert all_of(browser, "script") == []
    assert len(all_of(browser, ".changes tbody tr")) > 2


def test_light_and_dark_differ(browser):
    grounds = set()
    for dark in (False, True):
        emulate(browser, dark=dark)
        grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_without_scripts_everything_is_there(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page)
        assert len(all_of(browser, "#table tbody tr")) == 73
        assert all(row.is_displayed() for row in all_of(browser, "#table tbody tr.conforms")[:3])
        assert not one(browser, ".tools").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_a_record_runs_or_loads(browser, tmp_path, payload):
    changes = {"reason": payload, "expected": payload, "actual": payload + "x", "extra": {payload: payload}}
    names = {"subject": payload, "dtype": payload, "device": payload, "reason": payload, "reproduce": payload}
    measured = {"trajectories": {payload: [1.0, 2.0], payload + "2": [2.0, 1.0]}}
    verdicts = [
        verdict(status, check=payload, divergence=divergence(**changes), measured=measured, **names)
        for status in Status
    ]
    facts = {payload: payload}
    made = header(platform=facts, versions=facts, created=payload, subjects=({"name": payload, **facts},))
    render(Record.of(made, verdicts), tmp_path)
    address = (tmp_path / "index.html").as_uri()
    browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "window.alert = () => { window.fired = 1 }"}
    )
    browser.get_log("performance")
    browser.get(address)
    for details in all_of(browser, "details"):
        browser.execute_script("arguments[0].open = true", details)
    one(browser, "#search").send_keys("a")
    assert browser.execute_script("return window.fired") is None
    assert requests(browser) == [address]
    assert browser.get_log("browser") == []


def test_ten_thousand_verdicts_are_filtered_and_sorted(browser, tmp_path):
    statuses = [Status.DIVERGES] * 40 + [Status.SKIPPED] * 960 + [Status.CONFORMS] * 9_000
    verdicts = [verdict(status, check=f"value/{n:05}") for n, status in enumerate(statuses)]
    summary = render(Record.of(header(), verdicts), tmp_path)
    assert (tmp_path / "index.html").stat().st_size < 3_000_000
    browser.get((tmp_path / "index.html").as_uri())
    tick(browser, "conforms", on=True)
    assert one(browser, "#rows-shown").text == "100 of 10,000 checks shown; 10,000 match."
    one(browser, "#search").send_keys("value/09999")
    assert len(rows(browser)) == 1
    assert len(summary.rows) == 10_000
