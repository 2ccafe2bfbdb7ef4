// Keys of the whole page, and the dialog that lists them. Single letters can be switched off.
"use strict";
(() => {
const {store, element, button, byId} = latentlab;
const bound = [];  // {keys, text, run, shown} of each
let letters = latentlab.remembered("latentlab-letters") !== "off";

// Adds a key: keys of the event, what it does in words, and the function.
function add(keys, text, run) { bound.push({keys: [].concat(keys), text, run}); }

// "s", "Ctrl+z", "Ctrl+Z" with Shift, "Shift+3", "Escape".
function nameOf(event) {
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.shiftKey ? event.key.toUpperCase() : event.key}`;
  if (event.shiftKey && /^Digit/.test(event.code)) return `Shift+${event.code.slice(5)}`;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

function pressed(event) {
  if (event.defaultPrevented || event.altKey || byId("keys-dialog").open) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape" && !latentlab.go.closeDrops()) event.target.blur();
    return;
  }
  const name = nameOf(event);
  if (!letters && name.length === 1) return;
  const found = bound.find(one => one.keys.includes(name));
  if (!found || found.run(name) === false) return;
  event.preventDefault();
}

const FIXED = [
  ["Map", "arrows move, + and - zoom, 0 shows all, Tab leads to its tools"],
  ["Grid", "arrows, Page Up and Down, Home, End; Enter opens; Space picks; Shift and arrows pick on; Ctrl+A picks all"],
  ["Picture", "← and → step, Escape leads back"],
];
function shownKeys(keys) { return keys.length > 3 ? `${keys[0]} to ${keys[keys.length - 1]}` : keys.join(" or "); }
function fillDialog() {
  const rows = [...FIXED, ...bound.map(one => [shownKeys(one.keys), one.text])];
  const lettersBox = element("input", {type: "checkbox", id: "letters", checked: letters, onchange: event => {
    letters = event.target.checked;
    latentlab.remember("latentlab-letters", letters ? "on" : "off");
  }});
  byId("keys-dialog").replaceChildren(
    element("h2", {id: "keys-title"}, "Keys"),
    element("table", {}, element("tbody", {}, ...rows.map(([key, text]) => element("tr", {}, element("th", {scope: "row"}, key), element("td", {}, text))))),
    element("p", {}, element("label", {}, lettersBox, " keys of a single letter or digit")),
    button("Close", () => byId("keys-dialog").close(), {autofocus: true}));
}
function openDialog() {
  fillDialog();
  byId("keys-dialog").showModal();
}

const inBrowser = () => !byId("browse").hidden;
function digit(name) {
  const cluster = store.filled()[Number(name) - 1];
  if (!inBrowser() || !cluster) return false;
  latentlab.go.cluster(cluster.number);
  latentlab.grid.focus();
}
function current() { return store.image ?? (byId("grid").hidden ? null : latentlab.grid.cursor); }
function onImage(run) {
  return () => {
    const row = current();
    if (!inBrowser() || row === null) return false;
    run(row);
  };
}
function inPicture(run) { return () => store.image !== null && inBrowser() ? run() : false; }

function start() {
  add("/", "find", () => { byId("search").focus(); byId("search").select(); });
  add([..."123456789"], "open a cluster", digit);
  add(["[", "]"], "the cluster before or after", name => store.scope.kind === "cluster" && inBrowser() ? latentlab.panels.stepCluster(name === "[" ? -1 : 1) : false);
  add("o", "overview of the clusters", () => { latentlab.go.overview(); });
  add("a", "all images in one grid", () => { latentlab.go.scope({kind: "all"}); latentlab.grid.focus(); });
  if (latentlab.tree.isThere()) add("c", "tree of the clusters", () => { latentlab.go.scope({kind: "tree"}); byId("cut").focus(); });
  add("g", "to the grid", () => byId("grid").hidden ? false : latentlab.grid.focus());
  add("m", "to the map", () => latentlab.map.element.focus());
  add("l", "lasso on or off", () => latentlab.map.toggleTool("lasso"));
  add("v", "select what is in view of the map", () => latentlab.map.selectView());
  add("s", "more images like the one that is open or under the cursor", onImage(row => store.findsAlike(row) && latentlab.go.alike(row)));
  add("x", "pick the image", onImage(row => latentlab.grid.toggle(row)));
  add("w", "picture larger, or beside the map", inPicture(latentlab.picture.toggleWide));
  add([",", "."], "the image before or after", name => { latentlab.go.stepImage(name === "." ? 1 : -1); });
  add("ArrowLeft", "the picture before", inPicture(() => latentlab.picture.step(-1)));
  add("ArrowRight", "the picture after", inPicture(() => latentlab.picture.step(1)));
  add("Escape", "back", () => { latentlab.go.back(); });
  add("?", "this list", openDialog);
  document.addEventListener("keydown", pressed);
  byId("keys").onclick = openDialog;
}
latentlab.keys = {start, add, current};
})();
