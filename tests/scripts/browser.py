"""A real browser without a window, driven through the WebDriver protocol of chromedriver."""

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
CHROMEDRIVER = shutil.which("chromedriver")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """Opens pages of the given width in pixels.

    Args:
        profile: an empty folder.
        width: of the page.
    """

    def __init__(self, profile, width=1440):
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._driver = subprocess.Popen(
            [CHROMEDRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        try:
            self._wait_until_ready()
            session = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
            self._url += f"/session/{session['sessionId']}"
            self.resize(width)
        except BaseException:
            self._driver.kill()
            raise

    def open(self, path):
        self._post("/url", {"url": path.as_uri()})

    def run(self, script, *arguments):
        """The value of a function body."""
        return self._post("/execute/sync", {"script": script, "args": arguments})

    def press(self, *keys):
        """Press and release keys, by their WebDriver code points, in the element with the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def hover(self, x, y):
        move = {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}
        self._post("/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def messages(self):
        """What the page wrote to the console since the last call."""
        return [
            f"{entry['level']}: {entry['message']}" for entry in self._post("/se/log", {"type": "browser"})
        ]

    def resize(self, width, height=1000, dark=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", {"features": [scheme]})

    def screenshot(self, path):
        taken = self._command("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self):
        with contextlib.suppress(OSError):
            self._send("DELETE", "", None)
        self._driver.terminate()
        self._driver.wait()

    def _command(self, name, parameters):
        return self._post("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _post(self, path, body):
        return self._send("POST", path, json.dumps(body).encode())

    def _send(self, method, path, body):
        request = urllib.request.Request(
            self._url + path, body, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def _wait_until_ready(self):
        for _ in range(200):
            with contextlib.suppress(OSError):
                if self._send("GET", "/status", None)["ready"]:
                    return
            time.sleep(0.05)
        raise TimeoutError("chromedriver does not answer")
