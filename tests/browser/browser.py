# Drives a headless Chromium over its debugging pipe: the page is as it is, nothing is added to it. Nothing but Python's
# own library is needed.
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time


class Browser:
    """One page at a time; what it asks for, logs and throws is collected."""

    def __init__(self, program, width=1280, height=900):
        self.home = tempfile.mkdtemp()
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()

        def pipes():  # Chromium reads from 3 and writes to 4
            ours = os.dup(to_browser), os.dup(from_browser)
            os.dup2(ours[0], 3)
            os.dup2(ours[1], 4)

        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
                   "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
                   "--user-data-dir=" + self.home, "--window-size=%d,%d" % (width, height)]
        self.process = subprocess.Popen([program] + options, preexec_fn=pipes, close_fds=False, start_new_session=True,
                                        env=dict(os.environ, HOME=self.home, TMPDIR=self.home), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.number, self.session = b"", 0, None
        self.complaints, self.requests, self.loaded = [], [], False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log", "Network":
            self.call(domain + ".enable")

    def close(self):
        os.close(self.write_end)
        self.process.terminate()
        self.process.wait()
        os.close(self.read_end)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # its helpers, which may write to the last
        except ProcessLookupError:
            pass
        while os.path.exists(self.home):
            shutil.rmtree(self.home, ignore_errors=True)

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.read_end, 1 << 16)
            assert more, "the browser has ended"
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append("console: " + params["type"])
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append("dialog: " + params["message"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.note(answer)

    def open(self, path):
        self.complaints, self.requests, self.loaded = [], [], False
        self.call("Page.navigate", url="file://" + path)
        while not self.loaded:
            self.note(self.receive())

    def value(self, expression):
        """Of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, expression):
        """What the page does in a turn of its own, as following a link, is waited for: a minute, on a busy machine."""
        for _ in range(1200):
            if self.value("Boolean(%s)" % expression):
                return
            time.sleep(0.05)
        raise AssertionError("never: " + expression)

    def key(self, name, code=0, text=""):
        for kind in "keyDown", "keyUp":
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                      text=text if kind == "keyDown" else "")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def click(self, selector):
        """As a pointer does: where the element is once the window has been drawn again; again, should that have been missed."""
        self.value("void document.addEventListener('click', (e) => { window.clicked = e.target.closest(%s) }, true),"
                   " window.clicked = null" % json.dumps(selector))
        for _ in range(100):
            self.press(selector)
            if self.value("Boolean(window.clicked)"):
                return
        raise AssertionError("cannot be clicked: " + selector)

    def press(self, selector):
        x, y = self.value("(() => { const e = document.querySelector(%s); e.scrollIntoView({ block: 'center', behavior: 'instant' });"
                          " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
                          % json.dumps(selector))
        self.value("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")
        for kind in "mousePressed", "mouseReleased":
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def emulate(self, width=1280, height=900, dark=False, media="screen"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
