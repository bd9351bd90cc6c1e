"""Look at every page of the built documentation in headless Chromium: ``make docs look``.

At 1280 and 400 pixels, and without a network: is anything wider than the window, is code cut off without a bar to
scroll it, did a formula stay source, does a link within the documentation lead nowhere?  Needs the Python package
`playwright` and a Chromium (``apt-get install chromium``); exits with 0 and says so where there is none.
"""

import argparse
import shutil
import sys
from pathlib import Path

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

WIDTHS = (1280, 400)

# Runs in the page: what is wrong with it, as a list of sentences.
LOOK = """
async () => {
  const wrong = [];
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  for (const box of document.querySelectorAll('div.math, span.math')) {
    if (!box.querySelector('mjx-container')) wrong.push('formula not shown: ' + box.textContent.slice(0, 60));
  }
  if (document.querySelector('mjx-merror')) wrong.push('formula in error');
  const width = document.documentElement.scrollWidth;
  if (width > window.innerWidth) wrong.push(`${width} pixels wide`);
  const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const article = document.querySelector('article') || document.body;
  for (const e of article.querySelectorAll('pre, table, img, code, dt, mjx-container')) {
    const right = e.getBoundingClientRect().right;
    let inside = e, kept = right <= window.innerWidth + 1 && (e.scrollWidth <= e.clientWidth + 1 || !e.clientWidth);
    while (!kept && inside && inside !== document.body) { kept = scrolls(inside); inside = inside.parentElement; }
    if (!kept) wrong.push(`${e.tagName} cut off: ${e.textContent.slice(0, 60)}`);
  }
  for (const img of article.querySelectorAll('img')) if (!img.naturalWidth) wrong.push('no picture: ' + img.src);
  return wrong;
}
"""
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"
ANCHORS = "() => [...document.querySelectorAll('[id]')].map(e => e.id)"


def look(folder, chromium, screenshots=None):
    """What is wrong with the HTML pages below `folder`, as (page, width, sentence)."""
    wrong, links, anchors = [], {}, {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context()
        context.route("http*://**", lambda route: route.abort())
        tab = context.new_page()
        for path in sorted(folder.rglob("*.html")):
            name = str(path.relative_to(folder))
            if name.startswith("_") or name in ("search.html", "genindex.html", "py-modindex.html"):
                continue
            tab.goto(path.as_uri(), wait_until="load")
            for width in WIDTHS:
                tab.set_viewport_size({"width": width, "height": 900})
                wrong += [(name, width, sentence) for sentence in tab.evaluate(LOOK)]
                if screenshots:
                    tab.screenshot(path=str(Path(screenshots) / f"{name.replace('/', '-')}-{width}.png"))
            links[name], anchors[path.as_uri()] = set(tab.evaluate(LINKS)), set(tab.evaluate(ANCHORS))
        browser.close()
    for name, targets in links.items():
        for target in sorted(targets):
            address, _, anchor = target.partition("#")
            if not address.startswith("file:"):
                continue
            file = Path(address[len("file://") :].split("?")[0])
            missing = not file.exists() or (anchor and address in anchors and anchor not in anchors[address])
            if missing:
                wrong.append((name, 0, f"dead link: {target}"))
    return len(links), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="docs/_build/html", type=Path)
    parser.add_argument("--screenshots", help="folder for a picture of each page at each width")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or sync_playwright is None:
        print("No Chromium on the path, or no package playwright: nothing was looked at.")
        return 0
    pages, wrong = look(options.folder.resolve(), chromium, options.screenshots)
    for name, width, sentence in wrong:
        print(f"{name} at {width}: {sentence}" if width else f"{name}: {sentence}")
    print(f"{pages} pages at {' and '.join(map(str, WIDTHS))} pixels: {len(wrong)} faults")
    return 1 if wrong or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
