"""A page with widgets whose model is a stand-in for a notebook's."""

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A notebook</title>
<link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' 'nonce-a';
connect-src 'self'; img-src blob: data:"></head><body><main></main>
<script type="module" nonce="a">
import widget from "./widget.js";
class Model {  // as anywidget's: get, set, save_changes, on, off
  constructor(values) { this.values = values; this.saved = []; this.listeners = []; }
  get(name) { return this.values[name]; }
  set(name, value) { this.values[name] = value; }
  save_changes() { this.saved.push(structuredClone(this.values._rows)); }
  on(event, listener) { this.listeners.push([event, listener]); }
  off(event, listener) {
    this.listeners = this.listeners.filter(([name, one]) => name !== event || one !== listener);
  }
  fromPython(name, value) {
    this.values[name] = value;
    for (const [event, listener] of this.listeners) if (event === `change:${name}`) listener();
  }
}
const values = await (await fetch("values.json")).json();
window.models = [], window.views = [], window.ends = [];
window.addWidget = model => {
  const el = document.createElement("div");
  ends.push(widget.render({model, el}));
  document.querySelector("main").append(el);
  views.push(el.firstChild);
};
for (let i = 0; i < 2; i++) {
  models.push(new Model(structuredClone(values)));
  addWidget(models[i]);
}
addWidget(models[0]);
window.latentlab = {ready: Promise.all(views.map(view => view.latentlab.ready))};
</script></body></html>
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(widget: Any, folder: Path) -> Iterator[str]:
    """Serve a page with three views of two models that have a widget's state; gives its address."""
    state = {key: value for key, value in widget.get_state().items() if key != "_esm"}
    names = ("_data", "_sheets", "_title", "_note", "_rows", "height")
    values = {name: state[name] for name in names}
    (folder / "values.json").write_text(json.dumps(values))
    (folder / "widget.js").write_text(widget._esm)
    (folder / "index.html").write_text(PAGE)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()
        server.server_close()
