// What is beside the map: the clusters, the head of what is open, the legend, and the small picture at the pointer.
"use strict";
(() => {
const {store, thumbs, inks, element, button, dot, note, count, images, percent, bars, byId} = latentlab;
const hooks = {cluster: [], selection: []};  // of edit.js
const STRIP = 14;      // images of a cluster that the overview may show
const TIP_SIDE = 128;

// The map's colours and names

let painted = {};
function paint() {
  const group = store.groups[store.colour] ?? store.groups.cluster;
  if (painted.group !== group) painted = {group, inks: inks.of(group), names: inks.names(store.colour, latentlab.map.extent)};
  latentlab.map.paint(painted.inks, inks.levels());
  const off = store.filters.get(store.colour)?.off;
  latentlab.map.setNames(painted.names.filter(name => !off?.has(name.category)));
}

// The legend, whose entries switch groups on and off

function legend() {
  const group = store.groups[store.colour];
  if (group.kind === "numbers") return byId("legend").replaceChildren(...ramp(group));
  const off = store.filters.get(store.colour)?.off ?? new Set();
  const entries = [...group.names.keys(), -1].filter(category => store.rowsOf(store.colour, category).length);
  byId("legend").replaceChildren(...entries.map(category => entry(group, category, off)));
}
function ramp(group) {
  return [element("span", {}, `${group.title}: ${valueOf(group.low)}`),
    element("span", {class: "ramp", role: "img", "aria-label": "from dark blue, low, to yellow, high", style: {background: `linear-gradient(90deg, ${store.data.ramp.join(",")})`}}),
    element("span", {}, valueOf(group.high))];
}
const valueOf = value => String(Number(value.toPrecision(3)));
function entry(group, category, off) {
  const text = category < 0 ? group.missing : group.names[category], number = store.rowsOf(store.colour, category).length;
  const toggle = element("button", {type: "button", class: "toggle", "aria-pressed": String(!off.has(category)), title: `show or hide ${text}`, "data-category": category, onclick: () => {
    latentlab.find.toggle(store.colour, category);
    byId("legend").querySelector(`[data-category="${category}"]`)?.focus();
  }}, dot(category < 0 ? group.grey : group.colours[category]));
  if (store.colour !== "cluster" || category < 0) toggle.append(latentlab.plain(`${text} (${count(number)})`));
  else toggle.setAttribute("aria-label", `show ${text}`);
  const open = store.colour === "cluster" && category >= 0
    && button(text, () => latentlab.go.cluster(category), {class: "open", title: `open ${text}: ${images(number)}`});
  return element("span", {class: "entry"}, toggle, open);
}

// The overview: every cluster, or group of a cut through the tree, with its typical images

function entries() {
  if (store.scope.kind === "tree") return latentlab.tree.entries();
  return store.filled().map(cluster => ({
    key: cluster.number, name: store.clusterName(cluster.number), colour: store.clusterColour(cluster.number), size: store.sizeOf(cluster.number), cluster,
    rows: () => store.rowsOf("cluster", cluster.number), open: () => latentlab.go.cluster(cluster.number)}));
}
function overview(fillsAll = false) {
  const strips = new Map();
  byId("overview").replaceChildren(...entries().map(entry => {
    const made = card(entry);
    strips.set(made.querySelector(".strip"), entry);
    return made;
  }));
  if (fillsAll) return void strips.forEach((entry, strip) => fillStrip(strip, entry));
  const watcher = new IntersectionObserver(seen => {
    for (const {isIntersecting, target} of seen) if (isIntersecting) { watcher.unobserve(target); fillStrip(target, strips.get(target)); }
  }, {root: byId("overview"), rootMargin: "300px"});
  for (const strip of strips.keys()) watcher.observe(strip);
}
function card({key, name, colour, size, cluster, open}) {
  const labels = (cluster?.labels ?? []).slice(0, 3).map(([label, share]) => `${label} ${percent(share)}`).join(", ");
  return element("article", {class: `card ${cluster?.status ?? ""}`, "aria-label": name, "data-number": key},
    element("h3", {}, dot(colour), button(name, open, {class: "name"}), statusSign(cluster)),
    element("div", {class: "strip", style: {minHeight: store.data.pictures ? `${stripSide() + 8}px` : "0"}}),
    element("p", {class: "note"}, [images(size), suggestion(cluster), labels && `labels: ${labels}`].filter(Boolean).join(" · ")));
}
function suggestion(cluster) {
  return cluster?.suggested && cluster.suggested !== store.clusterName(cluster.number) ? `suggested name: ${cluster.suggested}` : "";
}
function statusSign(cluster) {
  return cluster?.status ? element("span", {class: `status ${cluster.status}`}, cluster.status) : null;
}
// As many images as one line holds.
function fillStrip(strip, {rows, open}) {
  const side = store.data.pictures ? stripSide() : 140;
  const most = Math.max(1, Math.min(STRIP, Math.floor(strip.clientWidth / (side + 8))));
  strip.replaceChildren(...typical(rows(), most).map(row => {
    const holder = element("span", {class: "picture", style: {width: `${side}px`, height: store.data.pictures ? `${side}px` : "auto"}});
    thumbs.show(holder, row, side);
    return element("button", {type: "button", class: "small", tabindex: "-1", title: store.describe(row), "aria-label": store.describe(row),
      onclick: () => { open(); latentlab.go.image(row); }}, holder);
  }));
}
const stripSide = () => Math.min(160, Number(byId("size").value));
// The most typical of many rows, in one pass: the nearest to their center, or the first.
function typical(rows, most) {
  const distance = store.typical ?? store.groups.distance?.values, nearest = [];
  for (const row of rows) {
    if (store.passing && !store.passing[row] || store.data.pictures && !store.hasPicture(row)) continue;
    if (nearest.length === most && !(distance?.[row] < distance?.[nearest[most - 1]])) continue;
    let place = nearest.length;
    while (place > 0 && distance?.[row] < distance?.[nearest[place - 1]]) place--;
    nearest.splice(place, 0, row);
    if (nearest.length > most) nearest.pop();
  }
  return nearest;
}

// The head of what is open

function head() {
  const parts = {overview: overviewHead, tree: treeHead, all: allHead, cluster: clusterHead, rows: rowsHead, like: rowsHead}[store.scope.kind]();
  byId("head").replaceChildren(...parts.filter(Boolean));
  byId("said").textContent = [...byId("head").querySelectorAll("h2, .note")].map(one => one.textContent).slice(0, 2).join(", ");
}
function overviewHead() {
  const isSearch = latentlab.find.isFiltered(), isEdited = latentlab.states.note() !== "as computed";
  return [element("div", {class: "row"}, element("h2", {tabindex: "-1"}, store.query ? `${images(store.rows.length)} found` : `${images(store.n)} in ${count(store.filled().length)} clusters`),
    element("span", {class: "grow"}), latentlab.tree.isThere() && button("Tree", () => latentlab.go.scope({kind: "tree"}), {id: "open-tree", title: "which clusters belong together"}),
    button("All images", () => latentlab.go.scope({kind: "all"}), {id: "all-images"})),
    (isSearch || isEdited) && note([isEdited && `the clusters are shown ${latentlab.states.note()}`, isSearch && shownText()].filter(Boolean).join(" · "))];
}
function treeHead() {
  return [element("div", {class: "row"}, button("Clusters", latentlab.go.overview, {id: "to-clusters"}), element("h2", {tabindex: "-1"}, "Which clusters belong together"))];
}
function allHead() {
  return [element("div", {class: "row"}, button("Clusters", latentlab.go.overview, {id: "to-clusters"}), element("h2", {tabindex: "-1"}, "All images")), note(shownText())];
}
function shownText() {
  const all = store.scope.kind === "cluster" ? store.rowsOf("cluster", store.scope.number).length : store.scope.rows?.length ?? store.n;
  const shown = store.rows.length;
  return shown === all ? images(all) : `${count(shown)} of ${images(all)}`;
}
function clusterHead() {
  const {number} = store.scope, cluster = store.clusters[number], total = store.sizeOf(number);
  const all = store.clusters.reduce((sum, one) => sum + store.sizeOf(one.number), 0);
  const hasSplit = store.clusters.some(one => one.sizes.test);
  const onMap = store.rowsOf("cluster", number).length;
  const texts = [`${images(total)}, ${percent(total / all)} of all`, hasSplit && `${count(cluster.sizes.train)} training, ${count(cluster.sizes.test)} held-out`,
    onMap < total && `${count(onMap)} on the map`, store.rows.length < onMap && `${count(store.rows.length)} shown`, suggestion(cluster)];
  return [
    element("div", {class: "row"},
      button("Clusters", latentlab.go.overview, {id: "to-clusters", title: "O"}),
      button("‹", () => stepCluster(-1), {"aria-label": "previous cluster", title: "previous cluster ["}),
      button("›", () => stepCluster(1), {"aria-label": "next cluster", title: "next cluster ]"}),
      element("h2", {tabindex: "-1"}, dot(store.clusterColour(number)), store.clusterName(number)), statusSign(cluster)),
    note(texts.filter(Boolean).join(" · ")),
    ...(latentlab.states.takesEdits() ? hooks.cluster.map(hook => hook(number)) : []),
    aboutCluster(cluster)];
}
function stepCluster(by) {
  const all = store.filled(), at = all.findIndex(one => one.number === store.scope.number);
  latentlab.go.cluster(all[(at + by + all.length) % all.length].number);
}
// What else is known of a cluster: labels, the decoded mean code, what refinement moved.
let aboutIsOpen = false;
function aboutCluster(cluster) {
  const {labels} = store.groups.label ? cluster : {labels: []};
  const parts = [
    labels.length && element("div", {}, element("h3", {}, "Labels, held out from all training"), bars(labels.map(([name, share]) => [name, share, labelColour(name)]))),
    cluster.centroid && element("div", {}, element("h3", {}, "Decoded mean code"),
      element("img", {class: "few", src: cluster.centroid, alt: `What the decoder makes of the mean code of ${store.clusterName(cluster.number)}`})),
    cluster.moves && element("div", {}, element("h3", {}, "What refinement moved"), note(movesText(cluster.moves)))].filter(Boolean);
  if (!parts.length) return null;
  const made = element("details", {class: "about", open: aboutIsOpen}, element("summary", {}, "About this cluster"), element("div", {class: "about-parts"}, ...parts));
  made.addEventListener("toggle", () => { aboutIsOpen = made.open; });
  return made;
}
function labelColour(name) { const {label} = store.groups; return label.colours[label.names.indexOf(name)]; }
function movesText(moves) {
  const list = (pairs, word) => pairs.length ? ` (${pairs.map(([other, number]) => `${count(number)} ${word} ${store.clusterName(other)}`).join(", ")})` : "";
  return `${images(moves.stayed)} stayed; ${count(moves["moved in"])} came${list(moves.in, "from")}, ${count(moves["moved out"])} left${list(moves.out, "to")}.`;
}
function rowsHead() {
  const {rows, title, kind} = store.scope;
  return [
    element("div", {class: "row"}, button("Clusters", latentlab.go.overview, {id: "clear", title: "Escape"}), element("h2", {tabindex: "-1"}, title)),
    note(kind === "like" ? `${shownText()}, the most alike first` : shownText()),
    kind === "rows" && shares(rows)];
}
function shares(rows) {
  const part = name => {
    const group = store.groups[name], counts = new Map();
    for (const row of rows) counts.set(group.values[row], (counts.get(group.values[row]) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([value, number]) =>
      [value < 0 ? group.missing : group.names[value], number / rows.length, value < 0 ? group.grey : group.colours[value]]);
  };
  return element("details", {class: "about"}, element("summary", {}, "What they are"), element("div", {class: "about-parts"},
    ...["cluster", "label"].filter(name => store.groups[name]).map(name => element("div", {}, element("h3", {}, `By ${name}`), bars(part(name))))));
}

// Which of overview, grid and picture is shown, and what the grid lacks

function layout() {
  const hasImage = store.image !== null;
  const isTree = store.scope.kind === "tree", isOverview = (store.scope.kind === "overview" || isTree) && !store.query;
  byId("picture").hidden = !hasImage;
  byId("overview").hidden = hasImage || !isOverview;
  byId("grid").hidden = hasImage || isOverview || !store.rows.length;
  for (const name of ["head", "tools"]) byId(name).hidden = hasImage;
  for (const one of document.querySelectorAll(".verdict")) one.hidden = hasImage || !isOverview || isTree || !latentlab.states.isShown(one);
  byId("tree").hidden = hasImage || !isTree || !isOverview;
  byId("sorting").hidden = isOverview;
  byId("chips").hidden = hasImage || !latentlab.find.isFiltered();
  byId("lacks").hidden = hasImage || isOverview;
  byId("lacks").replaceChildren(...lacks());
}
function lacks() {
  if (!store.rows.length) return [note("No image is left by the search and the filters."), button("Clear all", latentlab.find.clearFilters)];
  if (!store.withheld) return [];
  return [note(`${count(store.withheld)} more are on the map; this file has no pictures of them, latentlab view has.`),
    button("List them too", () => { store.set({withoutPictures: true}); })];
}

// What is picked, and the actions on it

function selected() {
  const picked = latentlab.grid.picked;
  if (picked.size) return Int32Array.from(picked);
  return store.scope.kind === "rows" ? store.rows : null;
}
function actions() {
  const rows = selected(), {size} = latentlab.grid.picked;
  byId("actions").hidden = !rows || store.image !== null;
  if (!rows) return;
  const kept = byId("actions").contains(document.activeElement) ? document.activeElement.id : "";
  byId("actions").replaceChildren(
    element("span", {class: "count", role: "status"}, size ? `${count(size)} picked` : `all ${count(rows.length)}`),
    ...(latentlab.states.takesEdits() ? hooks.selection.map(hook => hook(() => Array.from(selected()))) : []),
    button("Save their list", () => saveList(selected()), {id: "save-list"}),
    size ? button("Pick none", latentlab.grid.pickNone, {id: "pick-none"}) : "");
  if (kept) byId(kept)?.focus();
}
function saveList(rows) {
  const columns = [["id", row => quote(store.ids[row])], ["cluster", row => store.groups.cluster.values[row]],
    ["cluster_name", row => quote(store.valueText("cluster", row))], ["clusters", () => quote(latentlab.states.note())]];
  for (const name of ["label", "mark", "tag"]) if (store.groups[name]) columns.push([name, row => quote(store.groups[name].values[row] < 0 ? "" : store.valueText(name, row))]);
  const lines = [columns.map(([name]) => name).join(","), ...Array.from(rows, row => columns.map(([, value]) => value(row)).join(","))];
  const link = element("a", {href: URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"})), download: "selection.csv"});
  link.click();
  URL.revokeObjectURL(link.href);
}
// No spreadsheet takes a cell for a formula, as in storage/text_tables.py.
function quote(text) {
  const isFormula = /^['\s]*[=+\-@\t\r＝＋－＠]/.test(text) && !/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}

// The small picture at the pointer

let hovered = null;
async function tip(row, x, y) {
  const holder = byId("tip"), box = byId("map").getBoundingClientRect();
  latentlab.map.setHint(row);
  if (row === null) { hovered = null; holder.hidden = true; return; }
  if (row === hovered) return;
  hovered = row;
  const canvas = element("canvas", {width: TIP_SIDE, height: TIP_SIDE});
  const drawn = await thumbs.draw(canvas, row).catch(() => false);
  if (row !== hovered) return;
  holder.replaceChildren(drawn ? canvas : "", element("div", {}, ...tipTexts(row).map(text => element("div", {}, text))));
  holder.dataset.row = row;
  holder.hidden = false;
  const own = holder.getBoundingClientRect();
  holder.style.left = `${Math.max(4, Math.min(box.left + x + 16, innerWidth - own.width - 6))}px`;
  holder.style.top = `${Math.max(4, Math.min(box.top + y + 16, innerHeight - own.height - 6))}px`;
}
function tipTexts(row) {
  const texts = [store.ids[row], ["cluster", "split"].filter(name => store.groups[name]).map(name => store.valueText(name, row)).join(", ")];
  for (const name of ["label", "confidence", "margin", "agreement", "mark", "tag"]) if (store.groups[name]) texts.push(`${name}: ${store.valueText(name, row)}`);
  return texts;
}

// Colour of the points

function fillColours() {
  const names = Object.keys(store.groups);
  if (!store.groups[store.colour]) store.colour = "cluster";
  byId("colour-by").replaceChildren(...names.map(name => element("option", {selected: name === store.colour}, name)));
}
function start() {
  fillColours();
  byId("colour-by").onchange = () => { store.colour = byId("colour-by").value; paint(); legend(); };
}
function forget() { painted = {}; }
function recolour(name) {
  store.colour = name;
  forget();
  fillColours();
  paint();
  legend();
}

latentlab.panels = {start, paint, legend, overview, head, layout, actions, tip, hooks, fillColours, forget, recolour, stepCluster, selected, saveList};
})();
