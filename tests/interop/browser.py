"""A headless Chromium, driven over the W3C WebDriver protocol; enough to read a page and its console."""

import base64
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

# A registry or proxy of the machine must never see these requests.
_OPEN = build_opener(ProxyHandler({})).open


class Browser:
    """One session; `url` is the driver's address of it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def visit(self, address: str) -> None:
        """Load a page and wait until it is there."""
        self._post("url", {"url": address})

    def run(self, script: str):
        """What a function body returns inside the page."""
        return self._post("execute/sync", {"script": script, "args": []})

    def resize(self, width: int) -> None:
        """Lay pages out for a width that windows cannot have."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )

    def prefer(self, scheme: str) -> None:
        """Be one of somebody who likes pages `dark` or `light`."""
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def violations(self, axe: Path) -> list[str]:
        """What axe-core finds serious or critical in the page, with the first element that it is about."""
        self.run(axe.read_text())
        found = self.run("return axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
        assert isinstance(found, list)
        grave = [one for one in found if one["impact"] in {"serious", "critical"}]
        return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}" for one in grave]

    def console(self) -> list[str]:
        """Warnings and errors that the page has caused so far."""
        entries = self._post("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in {"WARNING", "SEVERE"}]

    def screenshot(self, path: Path) -> None:
        """The window as a PNG file."""
        path.write_bytes(base64.b64decode(self._call("GET", "screenshot")))

    def close(self) -> None:
        """End the session and its processes."""
        self._call("DELETE", "")

    def _devtools(self, command: str, **parameters: object) -> None:
        self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, command: str, body: dict):
        return self._call("POST", command, body)

    def _call(self, method: str, command: str, body: dict | None = None):
        return call(method, f"{self._url}/{command}".rstrip("/"), body)


def call(method: str, url: str, body: dict | None = None):
    """One command of the protocol; its value."""
    data = json.dumps(body).encode() if body is not None else None
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    with _OPEN(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def chromium(driver: Path, profile: Path, *, size: str = "1200,900") -> Iterator[Browser]:
    """A browser with an empty profile, started by chromedriver on a port that is free."""
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        port = next(
            found.group(1) for line in process.stdout if (found := re.search(r"successfully on port (\d+)", line))
        )
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        arguments += [f"--window-size={size}", "--hide-scrollbars"]
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        base = f"http://127.0.0.1:{port}/session"
        session = call("POST", base, {"capabilities": {"alwaysMatch": wanted}})
        watchdog.cancel()
        browser = Browser(f"{base}/{session['sessionId']}")
        try:
            yield browser
        finally:
            browser.close()
        process.terminate()
        drain.join(20)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(20)
        process.stdout.close()
