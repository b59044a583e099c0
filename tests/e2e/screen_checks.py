"""What is wrong with an open page: for readers of its structure, for narrow windows, for large letters."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page

_AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1366, 1024, 768, 400)
_CHARTS_MS = 10_000
"""Charts take the window's size a moment later, on a busy machine after seconds."""
_POLL_MS = 500
# Gradio's container hides what is too wide for it: it would be cut off instead.
_EXTRA = """() => Math.max(
  ...[document.documentElement, ...document.querySelectorAll('.gradio-container')]
    .map((e) => e.scrollWidth - e.clientWidth)
)"""
# What clips without an ellipsis, and cannot be scrolled, hides the rest of an action.
_CUT_OFF = """() => {
  const found = [];
  for (const each of document.querySelectorAll('button, a[href], input:not([type=hidden]), select, summary')) {
    if (each.closest('svg, .js-plotly-plot') || !each.checkVisibility({ visibilityProperty: true })) continue;
    const { left, right, width } = each.getBoundingClientRect();
    for (let around = each.parentElement; around && width > 2; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (['auto', 'scroll'].includes(style.overflowX) || style.textOverflow === 'ellipsis') break;
      const clips = style.overflowX !== 'visible' || style.contentVisibility === 'auto' || style.contain !== 'none';
      const box = around.getBoundingClientRect();
      if (clips && box.width > 2 && (right > box.right + 1 || left < box.left - 1)) {
        found.push(each.id || each.getAttribute('aria-label') || each.textContent.trim().slice(0, 40));
        break;
      }
    }
  }
  return found;
}"""
ZOOMED = {"width": 683, "height": 384}
"""A window of 1366 by 768 pixels at 200 %."""

_RUN_AXE = """async ([only, isWhole]) => {
  const panels = [...document.querySelectorAll('[role=tabpanel]')].filter((each) => each.checkVisibility());
  const where = isWhole ? document : { include: panels };
  const found = await axe.run(where, { runOnly: only, resultTypes: ['violations'] });
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html, failureSummary }) => [id, target.join(' '), html.slice(0, 200), failureSummary]));
}"""
# Both overlapping and covered: neither may contain the other, as a label does its box.
_UNREACHABLE = """() => {
  const all = 'button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=tab]';
  const isShown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.disabled;
  const name = (e) => `${e.tagName} ${e.id || e.getAttribute('aria-label') || e.textContent.trim().slice(0, 40)}`;
  const found = [];
  for (const each of document.querySelectorAll(all)) {
    if (!isShown(each) || each.closest('svg, .js-plotly-plot')) continue;
    each.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    const box = each.getClientRects()[0];
    if (!box || box.width < 2 || box.height < 2) continue;
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const hit = document.elementFromPoint(x, y);
    if (!hit) found.push(`${name(each)} is outside of the window`);
    else if (!each.contains(hit) && !hit.contains(each)) found.push(`${name(each)} is covered by ${name(hit)}`);
  }
  window.scrollTo(0, 0);
  return found;
}"""

# A box that is not drawn itself shows its focus on its label, a cell of a drawing on its rectangle.
_FAINT_FOCUS = """() => {
  const all = 'button, a[href], input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const isDrawn = ({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  const found = [];
  for (const each of document.querySelectorAll(all)) {
    if (each.closest('.js-plotly-plot') || !each.checkVisibility({ visibilityProperty: true })) continue;
    each.focus({ preventScroll: true });
    if (document.activeElement !== each) continue;
    const style = getComputedStyle(each);
    const label = style.opacity === '0' && each.closest('label');
    const cell = each.matches('.m1-cell') && getComputedStyle(each.querySelector('rect')).strokeWidth === '2.5px';
    if (!cell && !isDrawn(label ? getComputedStyle(label) : style))
      found.push(`${each.tagName} ${each.id || each.className || each.textContent.trim().slice(0, 40)}`);
  }
  document.activeElement.blur();
  return found;
}"""


def has_axe() -> bool:
    return _AXE.exists()


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")


def violations(page: Page, *, is_whole: bool = True) -> list[str]:
    """What axe-core finds, light and dark, on the whole page or in the tab that is open."""
    page.emulate_media(reduced_motion="reduce")  # Colors are then what they will be at once.
    if not page.evaluate("() => 'axe' in window"):  # Tabs of one page are looked at one after the other.
        page.evaluate(_axe())
    found: list[Any] = []
    for is_dark, only in ((False, {"type": "tag", "values": _TAGS}), (True, ["color-contrast"])):
        page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", is_dark)
        found += page.evaluate(_RUN_AXE, [only, is_whole])
    page.evaluate("() => document.body.classList.remove('dark')")
    return [" | ".join(" ".join(str(part).split()) for part in each) for each in found]


def too_wide_at(page: Page, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """At which widths of the window the whole page scrolls sideways, or it or an action is cut off at a side."""
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 768})
        extra = page.evaluate(_EXTRA)
        if extra > 0:
            with suppress(Error):
                page.wait_for_function(f"() => ({_EXTRA})() <= 0", timeout=_CHARTS_MS, polling=_POLL_MS)
            extra = page.evaluate(_EXTRA)
        if extra > 0:
            found.append(f"{extra} pixels too wide at {width}")
        found += [f"{each} is cut off at {width}" for each in page.evaluate(_CUT_OFF)]
    return found


def unreachable_when_zoomed(page: Page) -> list[str]:
    """Actions that something else covers, or that cannot be scrolled to, in a window at 200 %."""
    page.set_viewport_size({"width": ZOOMED["width"], "height": ZOOMED["height"]})
    found: list[str] = page.evaluate(_UNREACHABLE)
    if found:
        with suppress(Error):
            page.wait_for_function(f"() => ({_UNREACHABLE})().length === 0", timeout=_CHARTS_MS, polling=_POLL_MS)
        found = page.evaluate(_UNREACHABLE)
    return found


def without_visible_focus(page: Page) -> list[str]:
    """What a keyboard can reach, and shows no outline when it has."""
    page.keyboard.press("Shift")  # From here on, a focus that a program sets is shown like one of the keyboard.
    found: list[str] = page.evaluate(_FAINT_FOCUS)
    return found
