"""The desk in a real browser, from end to end, by keyboard alone, and checked by axe."""

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
)

import review_desk
from review_desk import CHROMIUM, Served

PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
LEADS = ("/", "/queue/fired", "/disputes", "/proposals", "/watch", "/shadow", "/agreement", "/keys")

expect.set_options(timeout=30_000)  # the machine may be busy

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="*** NO BROWSER: chromium is missing")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("desk")
    with review_desk.served(home, weeks=3, a_day=4, reads=20) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with review_desk.chromium() as browser:
        yield browser


@pytest.fixture
def context(chromium: Browser, served: Served) -> Iterator[BrowserContext]:
    """A browser that counts as a failure what pages say is wrong with them."""
    found = chromium.new_context(viewport=DESKTOP, base_url=served.url)
    complaints: list[str] = []
    found.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    found.on("weberror", lambda error: complaints.append(str(error.error)))
    found.on("requestfailed", lambda request: complaints.append(request.url))
    outside: list[str] = []
    found.on("request", lambda r: None if r.url.startswith(served.url) else outside.append(r.url))
    yield found
    found.close()
    assert complaints == []
    assert outside == []


def sign_in(context: BrowserContext, served: Served, name: str) -> Page:
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_label("Your token")).to_be_focused()
    page.keyboard.type(served.tokens[name])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What waits")).to_be_visible()
    return page


def problems(page: Page) -> str:
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=options)
    return found.generate_report() if found.violations_count else ""


def test_a_reviewer_works_by_keyboard_alone(context: BrowserContext, served: Served) -> None:
    page = sign_in(context, served, "first-reader")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Before you read")).to_be_visible()
    expect(page.locator("#conversation")).to_have_count(0)
    page.keyboard.press("o")
    expect(page.locator("#conversation .current .reply")).to_be_visible()
    assert page.locator("mark").count() == 0
    assert page.evaluate("document.activeElement.matches('[data-focus]')")
    while not page.evaluate("document.activeElement.name === 'rests'"):
        page.keyboard.press("Tab")
    page.keyboard.press("y")
    assert page.evaluate("document.activeElement.name") == "uncritical"
    page.keyboard.press("x")
    page.keyboard.press("c")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What the guard did")).to_be_visible()
    for name, value in (("rests", "yes"), ("uncritical", "no"), ("harm", "unsure")):
        assert page.locator(f"input[name={name}]:checked").get_attribute("value") == value
    page.keyboard.press("b")
    expect(page.locator("#turn")).to_have_class("hidden-text")
    page.keyboard.press("b")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", name="Propose a sentence")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "text"


def test_everything_works_without_scripts(chromium: Browser, served: Served) -> None:
    context = chromium.new_context(viewport=PHONE, base_url=served.url, java_script_enabled=False)
    page = sign_in(context, served, "second-reader")
    page.get_by_role("button", name="Next turn").click()
    page.get_by_role("button", name="Show the conversation").click()
    expect(page.locator("#conversation .current .reply")).to_be_visible()
    for legend in ("rest on self-report", "uncritical", "harm rapport"):
        page.get_by_role("group", name=legend).get_by_label("Cannot tell").check(force=True)
    page.get_by_role("button", name="Save and see").click()
    expect(page.get_by_role("heading", name="What the guard did")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Saved")).to_be_visible()
    context.close()


def test_a_lead_settles_a_dispute(context: BrowserContext, served: Served) -> None:
    page = sign_in(context, served, "lead")
    page.get_by_role("link", name="Disputes").click()
    before = page.locator(".list li").count()
    assert before
    page.locator(".list a").first.click()
    page.get_by_role("button", name="Show the conversation").click()
    expect(page.get_by_role("heading", name="What the reviewers said")).to_be_visible()
    form = page.get_by_role("form", name="Your decision")
    for group in form.get_by_role("group").all():
        group.get_by_label("No", exact=True).check(force=True)
    form.get_by_label("Why").fill("Read twice, and neither is so.")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Disputes")).to_be_visible()
    assert page.locator(".list li").count() == before - 1


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone-dark", "desktop-light"]
)
def test_pages_hold_to_wcag_and_to_the_screen(
    chromium: Browser, served: Served, size: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    context = chromium.new_context(
        viewport=size,
        base_url=served.url,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/sign-in")
    found = {"/sign-in": problems(page)}
    page.close()
    page = sign_in(context, served, "lead")
    for path in LEADS:
        page.goto(path)
        found[path] = problems(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    page.goto("/")
    page.get_by_role("button", name="Next turn").click()
    found["note"] = problems(page)
    page.get_by_role("button", name="Show the conversation").click()
    page.wait_for_selector("#conversation")
    found["blind"] = problems(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Leave it to others").click()
    page.goto("/disputes")
    page.locator(".list a").first.click()
    page.get_by_role("button", name="Show the conversation").click()
    page.wait_for_selector("#conversation")
    found["decide"] = problems(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    context.close()
    assert {name: said for name, said in found.items() if said} == {}


def test_from_a_wrong_decision_to_an_exemplar(context: BrowserContext, served: Served) -> None:
    page = sign_in(context, served, "lead")
    page.get_by_role("button", name="Next turn").click()
    page.get_by_role("button", name="Show the conversation").click()
    page.wait_for_selector("#conversation")
    for name in ("rests", "uncritical", "harm"):
        page.locator(f"input[name={name}][value=no]").check(force=True)
    page.get_by_role("button", name="Save and see").click()
    page.get_by_role("link", name="Propose a sentence").click()
    page.get_by_label("The sentence").fill("Three shandies on a Sunday is all I ever have.")
    page.get_by_label("What it is about").select_option("alcohol_use_report")
    page.get_by_label("I wrote this sentence").check()
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("button", name="See what it would change").click()
    expect(page.get_by_role("heading", name="past decisions would change")).to_be_visible(
        timeout=600_000
    )
    assert problems(page) == ""
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted as")).to_be_visible()


def test_the_shadow_says_what_steering_would_have_done(
    context: BrowserContext, served: Served
) -> None:
    page = sign_in(context, served, "lead")
    page.get_by_role("link", name="Shadow").click()
    page.get_by_role("button", name="Decide the latest").click()
    expect(page.get_by_text("turns were decided again")).to_be_visible(timeout=300_000)
    assert problems(page) == ""
