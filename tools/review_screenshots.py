"""Take the pictures of docs/review.md: ``make review-screenshots``."""

import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from review_desk import Served, chromium, served

OUT = Path(__file__).parents[1] / "docs" / "review"
PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=860)


def main() -> None:
    """Write them."""
    OUT.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        served(Path(home), weeks=6, a_day=12, reads=150) as desk,
        chromium() as browser,
    ):
        page = signed_in(browser, desk, "first-reader", PHONE, "dark")
        shoot(page, "queue")
        page.get_by_role("button", name="Next turn").click()
        page.get_by_role("button", name="Show the conversation").click()
        page.wait_for_selector("#conversation")
        shoot(page, "blind", whole=True)
        page = signed_in(browser, desk, "lead", DESKTOP, "light")
        page.goto("/disputes")
        page.locator(".list a", has_text="Being watched").first.click()
        page.get_by_role("button", name="Show the conversation").click()
        page.wait_for_selector("#conversation")
        shoot(page, "turn")
        page.goto("/watch")
        shoot(page, "watch")


def signed_in(
    browser: Browser, desk: Served, name: str, size: ViewportSize, scheme: Literal["light", "dark"]
) -> Page:
    """Return the first page that somebody sees."""
    context = browser.new_context(viewport=size, color_scheme=scheme, base_url=desk.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Your token").fill(desk.tokens[name])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="What waits").wait_for()
    return page


def shoot(page: Page, name: str, *, whole: bool = False) -> None:
    """Take one picture."""
    page.screenshot(path=OUT / f"{name}.png", full_page=whole)
    print(OUT / f"{name}.png")


if __name__ == "__main__":
    main()
