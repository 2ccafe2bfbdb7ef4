// The page of a comparison: what is selected, its grid of images, and where they are on the other side.
"use strict";
(() => {
const {store, sides, table, thumbs, frame, element, button, dot, note, count, images, percent, byId} = latentlab;
const MOST_PARTS = 5;  // clusters of a side that are named
const TIP_SIDE = 128;

// What is selected

function head() {
  const {scope} = store, isAll = scope.kind !== "rows", shown = store.rows.length;
  const title = isAll ? store.query ? `${images(shown)} with “${store.query}”` : "All images" : scope.title;
  byId("head").replaceChildren(...[
    element("div", {class: "row"},
      !isAll && button("All images", sides.clear, {id: "clear", title: "Escape"}),
      element("h2", {tabindex: "-1"}, title), element("span", {class: "grow"}),
      isAll && store.groups.moved && button(`${count(sides.movedTotal())} outside matched clusters`, sides.moved, {id: "moved-images"})),
    note(countText()),
    ...(shown && (!isAll || store.query) ? sides.NAMES.map(parts) : [])].filter(Boolean));
  byId("said").textContent = `${title}, ${countText()}`;
}
function countText() {
  const all = store.scope.kind === "rows" ? store.scope.total : store.data.total, shown = store.rows.length;
  const texts = [images(all)];
  if (shown < all) texts.push(`${count(shown)} shown${store.query ? `, with “${store.query}”` : ""}`);
  if (store.withheld) texts.push(`${count(store.withheld)} more on the maps, without a picture in this file`);
  return texts.join(" · ");
}
// In which clusters of a side the images are, the largest part first; each part can be selected alone.
function parts(side) {
  const counts = new Map();
  for (const row of store.rows) counts.set(sides.clusterOf(side, row), (counts.get(sides.clusterOf(side, row)) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const entry = ([number, size]) => {
    const share = percent(size / store.rows.length), name = sides.nameOf(side, number);
    return element("button", {type: "button", class: "part", "data-side": side, "data-number": number, "aria-label": `${name} on the ${side}: ${images(size)}, ${share}; select them`,
      onclick: () => narrow(side, number)}, dot(sides.colourOf(side, number)), `${name} `, element("span", {class: "note"}, `${count(size)}, ${share}`));
  };
  const rest = sorted.length - MOST_PARTS;
  return element("div", {class: "parts", role: "group", "aria-label": `Clusters of ${sides.facts[side].name}`}, element("span", {class: "side-name"}, side),
    ...sorted.slice(0, MOST_PARTS).map(entry), rest > 0 && element("span", {class: "note"}, `and ${count(rest)} more`));
}
function narrow(side, number) {
  const {scope} = store;
  if (scope.kind !== "rows") return sides.cluster(side, number);
  if (scope.side && scope.side !== side) return sides.cells([side === "left" ? [number, scope.number] : [scope.number, number]]);
  const rows = store.rows.filter(row => sides.clusterOf(side, row) === number);
  sides.rows(rows, `${scope.title}, ${sides.nameOf(side, number)} on the ${side}`);
}

// One image

function showImage() {
  const row = store.image;
  byId("picture").hidden = row === null;
  byId("head").hidden = row !== null;
  byId("grid").hidden = row !== null || !store.rows.length;
  sides.ring(row);
  if (row === null) return;
  const place = store.rows.indexOf(row);
  const canvas = element("canvas", {role: "img", "aria-label": sides.describe(row), hidden: true});
  const focused = document.activeElement?.id;
  byId("picture").replaceChildren(
    element("div", {class: "row"}, button("Back", back, {id: "back", title: "Escape"}),
      button("‹ Previous", () => step(-1), {id: "previous", disabled: place <= 0, title: "Arrow left"}),
      button("Next ›", () => step(1), {id: "next", disabled: place < 0 || place >= store.rows.length - 1, title: "Arrow right"}),
      element("span", {class: "note"}, place < 0 ? "" : `${count(place + 1)} of ${count(store.rows.length)}`)),
    element("div", {class: "picture-body"}, element("div", {class: "frame"}, canvas), element("div", {class: "facts"}, element("h2", {}, store.ids[row]), factsOf(row))));
  drawImage(canvas, row);
  (focused && byId("picture").querySelector(`#${focused}:not(:disabled)`) || byId("picture")).focus({preventScroll: true});
}
function factsOf(row) {
  const line = (name, value) => element("tr", {}, element("th", {scope: "row"}, name), element("td", {}, value));
  const link = side => {
    const number = sides.clusterOf(side, row);
    return element("button", {type: "button", class: "to-cluster", onclick: () => sides.cluster(side, number)}, dot(sides.colourOf(side, number)), sides.nameOf(side, number));
  };
  const label = sides.labelOf(row);
  return element("table", {}, element("tbody", {}, ...sides.NAMES.map(side => line(side, link(side))), label && line("label", label), line("moved", store.valueText("moved", row))));
}
async function drawImage(canvas, row) {
  const found = await thumbs.picture(row, 512).catch(() => null);
  if (store.image !== row) return;
  if (!found) return canvas.replaceWith(note("No picture of this image is in the file."));
  [canvas.width, canvas.height] = [found.width, found.height];
  canvas.getContext("2d").drawImage(found.image, found.x, found.y, found.width, found.height, 0, 0, found.width, found.height);
  canvas.classList.toggle("few", Math.max(found.width, found.height) < 96);
  canvas.style.aspectRatio = `${found.width} / ${found.height}`;
  canvas.hidden = false;
}
function step(by) {
  const next = store.rows.indexOf(store.image) + by;
  if (next >= 0 && next < store.rows.length) store.openImage(store.rows[next]);
}

// One level up: from a picture to the grid, from a search or a selection to all images.
function back() {
  if (store.image !== null) {
    const row = store.image;
    store.openImage(null);
    latentlab.grid.goTo(row);
    latentlab.grid.focus();
  } else if (store.query) {
    byId("search").value = "";
    search();
  } else sides.clear();
}
function search() {
  const query = byId("search").value.trim();
  if (query !== store.query) store.set({query, image: null});
}

// The small picture at the pointer

let hovered = null;
async function hover(side, row, x, y) {
  const holder = byId("tip");
  if (row !== hovered) sides.hint(row);
  if (row === null) { hovered = null; holder.hidden = true; return; }
  if (row === hovered) return;
  hovered = row;
  const canvas = element("canvas", {width: TIP_SIDE, height: TIP_SIDE}), box = byId(`map-${side}`).getBoundingClientRect();
  const drawn = await thumbs.draw(canvas, row).catch(() => false);
  if (row !== hovered) return;
  const texts = [store.ids[row], ...sides.NAMES.map(name => `${name}: ${sides.nameOf(name, sides.clusterOf(name, row))}`), sides.labelOf(row)];
  holder.replaceChildren(drawn ? canvas : "", element("div", {}, ...texts.filter(Boolean).map(text => element("div", {}, text))));
  holder.dataset.row = row;
  holder.hidden = false;
  const size = holder.getBoundingClientRect();
  holder.style.left = `${Math.max(4, Math.min(box.left + x + 16, innerWidth - size.width - 6))}px`;
  holder.style.top = `${Math.max(4, Math.min(box.top + y + 16, innerHeight - size.height - 6))}px`;
}

// Changes

function rowsChanged() {
  head();
  showImage();
  latentlab.grid.setRows(store.rows);
  latentlab.grid.setLabel(byId("head").querySelector("h2").textContent);
  sides.paint();
  table.mark();
  byId("found").textContent = store.query ? `${images(store.rows.length)} found` : "";
  byId("lacks").hidden = Boolean(store.rows.length);
}
function makeGrid() {
  const moves = row => store.groups.moved.values[row] === 1;
  latentlab.grid = latentlab.Grid(byId("grid"), {
    label: "Images", size: document.body.classList.contains("photos") ? 104 : 64, show: thumbs.show, describe: sides.describe,
    colourOf: row => sides.colourOf("left", sides.clusterOf("left", row)),
    badge: row => moves(row) ? `${sides.clusterOf("left", row)} → ${sides.clusterOf("right", row)}` : "",
    onOpen: row => store.openImage(row), onCursor: sides.hint, onHover: sides.hint,
  });
}
function keyPressed(event) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || byId("browse").hidden) return;
  const isTyping = event.target.closest("input, select");
  if (event.key === "Escape" && !(isTyping && !store.query)) back();
  else if (store.image !== null && !isTyping && event.key === "ArrowLeft") step(-1);
  else if (store.image !== null && !isTyping && event.key === "ArrowRight") step(1);
  else return;
  event.preventDefault();
}

async function start() {
  const begun = performance.now();
  frame.startTheme(sides.redraw);
  await store.load();
  await sides.start();
  makeGrid();
  table.build();
  byId("colour-by").onchange = () => sides.setColour(byId("colour-by").value);
  byId("colour-by").querySelector("[value=label]").hidden = !store.groups.label;
  byId("search").oninput = search;
  byId("find").onsubmit = event => { event.preventDefault(); search(); latentlab.grid.focus(); };
  document.addEventListener("keydown", keyPressed);
  store.on("rows", rowsChanged);
  store.on("image", showImage);
  store.on("scope", () => { if (!store.scope.isOfMap) sides.showAll(); });
  const route = () => frame.showTab(location.hash.slice(1));
  addEventListener("hashchange", route);
  sides.clear();
  route();
  return performance.now() - begun;
}

latentlab.compare = {hover};
latentlab.ready = start();
})();
