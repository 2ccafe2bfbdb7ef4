// Puts the parts of the page together: addresses, tabs, light and dark.
"use strict";
(() => {
const {store, panels, find, picture, byId, images} = latentlab;
const {showTab} = latentlab.frame;

// Where one is, as the address tells it: #cluster-3, #all, #cluster-3/image-17; other names are tabs.

const ADDRESS = /^#(clusters|all|tree|cluster-(\d+)|selection)?(?:\/?image-(\d+))?$/;
function address() {
  const {scope, image} = store;
  const place = {overview: "", all: "all", tree: "tree", cluster: `cluster-${scope.number}`}[scope.kind] ?? "selection";
  const shown = image === null ? place : `${place}/image-${image}`;
  return shown ? `#${shown}` : location.pathname + location.search;
}
function keep(replaces = false) {
  const now = address(), state = {scope: store.scope.rows ? {...store.scope, rows: Array.from(store.scope.rows)} : store.scope, image: store.image};
  const isSame = now === (location.hash || location.pathname + location.search) && !store.scope.rows;
  if (store.scope.rows?.length > 20000) state.scope = {kind: "overview"};  // more than a browser keeps of a page
  history[replaces || isSame ? "replaceState" : "pushState"](state, "", now);
}

const go = {
  closeDrops,
  scope(scope, fromHistory = false) {
    showTab("browse");
    latentlab.grid.picked.clear();
    store.open(scope);
    if (!fromHistory) keep();
  },
  overview() { go.scope({kind: "overview"}); },
  cluster(number) { store.sizeOf(number) ? go.scope({kind: "cluster", number}) : go.overview(); },
  rows(rows, title, kind = "rows") { go.scope({kind, title, rows: Int32Array.from(rows)}); },
  async alike(row) {
    let found;
    try { found = await store.alike(row); } catch { found = []; }
    go.rows([row, ...found], `Like ${store.ids[row]}`, "like");
    latentlab.map.setRing(row);
    latentlab.grid.focus();
  },
  // Opens a picture; a step from one to the next leaves no trace in the history.
  image(row, isStep = false) {
    showTab("browse");
    store.openImage(row);
    keep(isStep);
  },
  closeImage() {
    const row = store.image;
    store.openImage(null);
    keep();
    if (byId("grid").hidden) byId("head").querySelector("h2")?.focus();
    else { latentlab.grid.goTo(row); latentlab.grid.focus(); }
  },
  // One level up: from a picture to its grid, from a grid to the clusters.
  back() {
    if (closeDrops()) return;
    if (document.body.classList.contains("wide") && store.image !== null) return picture.toggleWide();
    if (store.image !== null) return go.closeImage();
    if (latentlab.grid.picked.size) return latentlab.grid.pickNone();
    if (find.isFiltered()) return find.clearFilters();
    if (store.scope.kind !== "overview") go.overview();
  },
  stepImage(by) {
    const rows = store.rows, at = rows.indexOf(store.image ?? latentlab.grid.cursor ?? -1);
    if (rows.length) go.image(rows[(at + by + rows.length) % rows.length], store.image !== null);
  },
  changed() { latentlab.grid.picked.clear(); panels.actions(); },
};

// What follows from a change

function rowsChanged(changes = {}) {
  panels.head();
  panels.layout();
  find.fillChips();
  latentlab.grid.setRows(store.rows, !changes.scope);
  panels.paint();
  panels.legend();
  panels.actions();
  byId("found").textContent = store.query ? `${images(store.rows.length)} found` : "";
  if (!byId("overview").hidden) panels.overview();
  if (!byId("tree").hidden) latentlab.tree.show();
}
// On a phone the panel is below the map.
function revealPanel() {
  if (matchMedia("(max-width: 900px)").matches && store.scope.kind !== "overview") byId("panel").scrollIntoView({block: "start"});
}
function scopeChanged() {
  revealPanel();
  find.fillSort();
  latentlab.grid.setLabel(`Images of ${byId("head").querySelector("h2")?.textContent ?? "the selection"}`);
  latentlab.map.setRing(null);
  latentlab.map.setHint(null);
  if (store.scope.kind !== "rows") latentlab.map.showAll();
}
function imageChanged() {
  panels.layout();
  panels.actions();
  latentlab.map.setRing(store.image);
  if (store.image === null) return document.body.classList.remove("wide");
  picture.show(store.image);
  revealPanel();
  latentlab.map.centre(store.image);
}

// Closes what has dropped open over the page, but for that around an element; tells whether any was open.
function closeDrops(around = null) {
  const open = [...document.querySelectorAll("details.drop[open]")].filter(one => !one.contains(around));
  for (const one of open) one.open = false;
  if (!around) open[0]?.querySelector("summary").focus();
  return open.length > 0;
}

function route() {
  const found = ADDRESS.exec(location.hash || "#"), state = history.state;
  if (!found) return showTab(location.hash.slice(1));
  showTab("browse");
  if (state?.scope?.rows) store.open({...state.scope, rows: Int32Array.from(state.scope.rows)});
  else if (found[2] && store.sizeOf(Number(found[2]))) store.open({kind: "cluster", number: Number(found[2])});
  else store.open({kind: found[1] === "all" || found[1] === "tree" && latentlab.tree.isThere() ? found[1] : "overview"});
  const row = Number(found[3] ?? -1);
  if (found[3] && row < store.n) store.openImage(row);
}

function makeMap() {
  latentlab.map = latentlab.Map(byId("map"), {
    xy: store.xy, label: "Map of the images: arrow keys move, plus and minus zoom, 0 shows all", describedBy: "map-note", lassoId: "lasso",
    picture: store.data.pictures ? latentlab.thumbs.atHand : null,
    onHover: panels.tip,
    onOpen: row => go.image(row),
    onName: category => store.colour === "cluster" && go.cluster(category),
    onSelect: rows => {
      latentlab.map.setTool("move");
      rows.length ? go.rows(rows, `${images(rows.length)} selected`) : go.overview();
    },
  });
}
function makeGrid() {
  latentlab.grid = latentlab.Grid(byId("grid"), {
    label: "Images", size: Number(byId("size").value), show: latentlab.thumbs.show, prepare: latentlab.thumbs.prepare, describe: store.describe,
    colourOf: row => store.clusterColour(store.groups.cluster.values[row]),
    badge: row => ["mark", "tag"].filter(name => store.groups[name]?.values[row] >= 0).map(name => store.valueText(name, row)).join(", ")
      || (store.sort.name && store.sort.name !== "name" ? store.valueText(store.sort.name, row) : ""),
    onOpen: row => go.image(row),
    onPick: panels.actions,
    onCursor: row => latentlab.map.setHint(row),
    onHover: row => latentlab.map.setHint(row),
  });
  byId("size").oninput = latentlab.inNextFrame(() => {
    latentlab.grid.setSize(Number(byId("size").value));
    if (!byId("overview").hidden) panels.overview();
  });
}

async function start() {
  const begun = performance.now();
  latentlab.frame.startTheme(() => latentlab.map?.redraw());
  await store.load();
  byId("size").value = document.body.classList.contains("photos") ? 112 : 64;
  makeMap();
  makeGrid();
  await latentlab.states.start();
  panels.start();
  find.start();
  latentlab.keys.start();
  store.on("rows", rowsChanged);
  store.on("scope", scopeChanged);
  store.on("image", imageChanged);
  store.on("texts", () => latentlab.grid.relabel());
  store.on("scope", () => { if (store.scope.kind !== "tree" && store.groups.level) latentlab.tree.hide(); });
  store.on("clusters", () => {
    const title = document.querySelector("h1");
    title.textContent = title.textContent.replace(/: \d+ clusters$/, `: ${store.filled().length} clusters`);
    panels.forget();
    panels.fillColours();
    find.fillSort();
  });
  const copy = byId("copy-command");
  if (copy) copy.onclick = () => navigator.clipboard?.writeText(byId("command").textContent).then(() => { copy.textContent = "Copied"; });
  document.addEventListener("click", event => closeDrops(event.target));
  addEventListener("popstate", route);
  addEventListener("beforeprint", () => panels.overview(true));
  addEventListener("resize", latentlab.inNextFrame(() => {
    if (!byId("tree").hidden) latentlab.tree.show();
    else if (!byId("overview").hidden) panels.overview();
  }));
  store.open({kind: "overview"});
  route();
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("latentlab-shown")));
  await latentlab.afterStart?.();
  store.readTexts().catch(() => {});  // a viewer that has ended says so elsewhere
  return performance.now() - begun;
}

latentlab.pixelOf = row => latentlab.map.pixelOf(row);
latentlab.go = go;
latentlab.showTab = showTab;
latentlab.ready = start();
})();
