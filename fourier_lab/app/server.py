"""Voila with a door: the page, and its kernel, are for browsers; who merely asks for the address gets a few lines."""

import functools
import html
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from ..errors import ConfigError
from ..site.explorers import explorer_page

_KNOCK = "fourier_lab_open"
_STRANGER = "This page is of whoever started it. Open the address that 'fourier-lab app' printed, whole."
_DOOR = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Fourier embeddings of token ids</title></head><body>
<p id="words">This page computes while you look, which takes JavaScript and a cookie that lasts a minute.</p>
<script>
  document.cookie = "{_KNOCK}=1; max-age=60; samesite=lax";
  if (document.cookie.includes("{_KNOCK}=1")) {{
    document.getElementById("words").textContent = "Starting ...";
    window.addEventListener("load", () => window.location.reload());  // earlier, this page would count as failed
  }}
</script>
</body></html>
"""


class Door(TornadoVoilaHandler):
    """Answers the first request of a browser with a script that asks again; only that starts a kernel, of 0.4 GB."""

    @allow_unauthenticated  # or they would be sent to a page that asks for a password
    async def get(self, path: str | None = None) -> None:
        """Send the page to a browser that has knocked, and the door to all others; nothing without the token."""
        if self.current_user is None:
            self.set_status(403)
            self.finish(_STRANGER)
        elif path or self.get_cookie(_KNOCK):
            await super().get(path=path)
        else:
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            self.finish(_DOOR)

    async def head(self, path: str | None = None) -> None:
        """Say that the page is there."""
        self.finish()


class SitePage(JupyterHandler):
    """Answers with an explorer of the site, which computes in the browser: it is there before, and without, a kernel."""

    @allow_unauthenticated  # as above
    def get(self, name: str) -> None:
        """Send the explorer of this name; nothing without the token."""
        if self.current_user is None:
            self.set_status(403)
            self.finish(_STRANGER)
            return
        try:
            self.finish(_page(name))
        except ConfigError as error:
            self.set_status(404)
            self.finish(html.escape(str(error)))


_page = functools.cache(explorer_page)


class Server(Voila):
    """Voila for one notebook behind its :class:`Door`, telling how to reach it from elsewhere."""

    @property
    def display_url(self) -> str:
        """Return the address, and a line on tunnels."""
        there = f"ssh -L {self.port}:{self.ip}:{self.port} THIS_MACHINE"
        return f"{super().display_url}\nFrom another machine, first run there: {there}, then open the same address."

    def launch_browser(self) -> None:
        """Open the address with its token by a file of the reader's own: the list of processes is everybody's."""
        with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False) as page:
            page.write(f'<meta http-equiv="refresh" content="0; url={super().display_url}">')
        threading.Thread(target=webbrowser.open, args=(Path(page.name).as_uri(),), daemon=True).start()

    def init_handlers(self) -> list[Any]:
        """Return voila's handlers with the door in front of the notebook, and the site's explorers beside it."""
        *others, (pattern, _, settings) = super().init_handlers()
        return [*others, (url_path_join(self.server_url, r"/site/(\w+)"), SitePage), (pattern, Door, settings)]
