"""People who sign in with a real browser: Chromium without a screen fills in the stand-in's pages, and gatepost's own
page comes out in the end. Needs chromium and chromium-driver."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.error
import urllib.request

from gatepost import binary
from ground import case, expect, free_port
from mail import until

PUBLIC_APP = "aaaaaaaa-0000-4000-8000-000000000002"
ALICE, BOB = "alice@contoso.example", "bob@contoso.example"
# The key under which WebDriver hands out elements (W3C WebDriver section 12.2).
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
DENIED = 77

CONFIG = """\
state_directory = "{folder}/state"
name = "gatepost.contoso.example"

[[listener]]
protocol = "imap"
address = "127.0.0.1:0"

[provider.contoso]
preset = "microsoft"
token_endpoint = "{token_endpoint}"
client_id = "{client_id}"
grant = "refresh_token"
imap = {{ host = "localhost", port = {imap} }}
smtp = {{ host = "localhost", port = {smtp} }}
pop3 = {{ host = "localhost", port = {pop3} }}

[[mailbox]]
address = "{mailbox}"
provider = "contoso"
password = "correct horse"

[tls]
ca_file = "{folder}/ca.pem"
"""


class Browser(contextlib.AbstractContextManager):
    """Chromium by WebDriver, as far as a person who signs in needs it."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()

    def __enter__(self):
        log = (self.folder / "chromedriver.log").open("ab")
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=log, stderr=log)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                            f"--user-data-dir={self.folder}/chromium"]}
        wanted = {"acceptInsecureCerts": True, "goog:chromeOptions": options}
        until(self._is_up, "chromedriver doesn't answer")
        self.session = ""
        self.session = "/" + self._ask("POST", "session", capabilities={"alwaysMatch": wanted})["sessionId"]
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait(15)

    def open(self, url):
        self._ask("POST", "url", url=url)

    def type_in(self, field, text):
        self._ask("POST", f"element/{self._find('#' + field)}/clear")
        self._ask("POST", f"element/{self._find('#' + field)}/value", text=text)

    def press(self, button):
        self._ask("POST", f"element/{self._find('#' + button)}/click")

    def text(self):
        return self._ask("GET", f"element/{self._find('body')}/text")

    def _find(self, selector):
        return self._ask("POST", "element", using="css selector", value=selector)[ELEMENT]

    def _is_up(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status") as answer:
                return json.load(answer)["value"]["ready"]
        return False

    def _ask(self, method, path, **fields):
        path = f"/session{self.session}/{path}" if path != "session" else "/session"
        body = json.dumps(fields).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path.rstrip('/')}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise OSError(error.read().decode()) from error


@contextlib.contextmanager
def stand_in(folder):
    program = pathlib.Path(binary()).with_name("gatepost-standin")
    process = subprocess.Popen([program, "--ca", folder / "ca.pem"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(15)


@contextlib.contextmanager
def place(world, mailbox):
    """A folder with a configuration for the mailbox, a stand-in and a browser."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=world.folder)))
        standin = stack.enter_context(stand_in(folder))
        port = {name: standin[name].rpartition(":")[2] for name in ("imap", "smtp", "pop3")}
        config = folder / "gatepost.toml"
        config.write_text(CONFIG.format(folder=folder, token_endpoint=standin["token_endpoint"],
                                        client_id=PUBLIC_APP, mailbox=mailbox, **port))
        config.chmod(0o600)
        yield standin, config, stack.enter_context(Browser(folder))


@contextlib.contextmanager
def signing_in(config, *arguments):
    """`gatepost login` under way, in an environment whose browser opens nothing by itself."""
    environment = {**os.environ, "BROWSER": "true"}
    process = subprocess.Popen([binary(), "-c", config, "login", *arguments], env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def line_with(process, word):
    for line in process.stdout:
        if word in line:
            return line.strip()
    raise OSError(process.stderr.read())


def has_token(config, mailbox):
    return subprocess.run([binary(), "-c", config, "token", mailbox], capture_output=True).returncode == 0


@case("Chromium       signs in and returns to gatepost, whose page tells the truth")
def by_browser(world):
    with place(world, ALICE) as (standin, config, browser), signing_in(config, ALICE, "--browser") as process:
        browser.open(line_with(process, "https://"))
        browser.type_in("passwd", standin["password"])
        browser.press("sign_in")
        until(lambda: f"gatepost is signed in for {ALICE}" in browser.text(), "no page that says so")
        expect(has_token(config, ALICE), "the page said so too early")
        expect(process.wait(30) == 0, "gatepost login failed")


@case("Chromium       signs in with another account, and is told so")
def by_another_account(world):
    with place(world, ALICE) as (standin, config, browser), signing_in(config, ALICE, "--browser") as process:
        browser.open(line_with(process, "https://"))
        browser.type_in("login", BOB)
        browser.type_in("passwd", standin["password"])
        browser.press("sign_in")
        until(lambda: f"the account that signed in is {BOB}" in browser.text(), "no page that says so")
        expect(process.wait(30) == DENIED, "gatepost login took it")
        expect(not has_token(config, ALICE), "something was kept")


@case("Chromium       signs in with a code")
def by_code(world):
    with place(world, ALICE) as (standin, config, browser), signing_in(config, ALICE, "--device") as process:
        browser.open(line_with(process, "Open").split()[-1])
        browser.type_in("user_code", line_with(process, "Enter").split()[-1])
        browser.type_in("login", ALICE)
        browser.type_in("passwd", standin["password"])
        browser.press("approve")
        expect(process.wait(60) == 0, "gatepost login failed")
        expect(has_token(config, ALICE), "nothing was kept")
