"""A review desk over made-up conversations, and a browser for it: for tests and pictures."""

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from corroborator.audit import AuditLog, MasterKey
from corroborator.encoders import load_encoder
from corroborator.engine import Engine
from corroborator.policy import load_policy
from corroborator.review.app import create_app
from corroborator.review.demonstration import demo_policy, seed
from corroborator.review.desk import Desk

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_SECONDS = 30


class Served:
    """A desk on a free port of this machine.

    Attributes:
        url: where it is.
        tokens: by the names of those who may sign in.
    """

    def __init__(self, desk: Desk, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        config = uvicorn.Config(create_app(desk, ["127.0.0.1"]), port=0, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _SECONDS
        while not self._server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the desk did not start")
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def served(home: Path, *, weeks: int, a_day: int, reads: int) -> Iterator[Served]:
    """Serve a desk over a new store in a folder."""
    key = MasterKey(bytes(32))
    before = os.environ.get("CORROBORATOR_MASTER_KEY")
    os.environ["CORROBORATOR_MASTER_KEY"] = base64.b64encode(key.secret).decode()
    url = f"sqlite:///{home / 'log.db'}"
    try:
        tokens = seed(url, weeks=weeks, a_day=a_day, reads=reads)
    finally:
        del os.environ["CORROBORATOR_MASTER_KEY"]
        if before is not None:
            os.environ["CORROBORATOR_MASTER_KEY"] = before
    policy = load_policy(demo_policy(home))
    with AuditLog.open(url, master_key=key) as log:
        desk = Desk.open(log, Engine.load(policy, load_encoder(policy.encoder)))
        running = Served(desk, tokens)
        yield running
        running.stop()
        desk.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()
