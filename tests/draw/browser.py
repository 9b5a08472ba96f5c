"""A headless Chromium for the tests of pages: runs a script in a page and gives what it returns."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
]  # fmt: skip

_COLLECT = """
<script>
window.__errors = [];
window.addEventListener("error", e => window.__errors.push(e.message));
window.addEventListener("load", async () => {
  let result;
  try { result = await (async () => { %s })(); } catch (e) { window.__errors.push(String(e)); }
  const pre = document.createElement("pre");
  pre.id = "__result";
  pre.textContent = JSON.stringify({ result, errors: window.__errors });
  document.documentElement.appendChild(pre);
});
</script>
"""


def run(page, script, folder, dark=False, size="1200,900"):
    """Open the HTML text `page` in Chromium and give what `script` returns there; errors there fail."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine to open the page in")
    path = folder / "page.html"
    path.write_text(page.replace("<head>", "<head>" + _COLLECT % script, 1), encoding="utf-8")
    command = [
        CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=10000",
        "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    found = re.search(r'<pre id="__result">(.*?)</pre>', done.stdout, re.S)
    assert found, f"the page gave no result: {done.stderr[-2000:]}"
    told = json.loads(html.unescape(found[1]))
    assert told["errors"] == []
    return told.get("result")
