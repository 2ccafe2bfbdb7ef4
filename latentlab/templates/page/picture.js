// One picture in full, what is known of it, and the images most like it.
"use strict";
(() => {
const {store, thumbs, element, button, dot, note, count, byId} = latentlab;
const ALIKE = 12;
const hooks = [];  // of edit.js: row -> element

function step(by) {
  const place = store.rows.indexOf(store.image), next = place + by;
  if (place < 0 || next < 0 || next >= store.rows.length) return;
  latentlab.go.image(store.rows[next], true);
}

function show(row) {
  const place = store.rows.indexOf(row), number = store.groups.cluster.values[row];
  const before = button("‹ Previous", () => step(-1), {id: "previous", disabled: place <= 0, title: "Arrow left"});
  const after = button("Next ›", () => step(1), {id: "next", disabled: place < 0 || place >= store.rows.length - 1, title: "Arrow right"});
  const focused = document.activeElement?.id;
  byId("picture").replaceChildren(
    element("div", {class: "row"},
      button("Back", latentlab.go.back, {id: "back", title: "Escape"}), before, after,
      element("span", {class: "note", id: "place"}, place < 0 ? "" : `${count(place + 1)} of ${count(store.rows.length)}`),
      element("span", {class: "grow"}),
      store.findsAlike(row) && button("More like this", () => latentlab.go.alike(row), {id: "more", title: "S"}),
      button(document.body.classList.contains("wide") ? "Beside the map" : "Larger", toggleWide, {id: "wide", title: "W"})),
    element("div", {class: "picture-body"},
      element("div", {class: "frame"}, ...framed(row)),
      element("div", {class: "facts"},
        element("h2", {}, store.ids[row]),
        number >= 0 && element("p", {}, button("", () => latentlab.go.cluster(number), {class: "to-cluster"})),
        facts(row),
        ...(latentlab.states.takesEdits() ? hooks.map(hook => hook(row)) : []),
        element("div", {id: "alike"}))));
  const toCluster = byId("picture").querySelector(".to-cluster");
  toCluster?.append(dot(store.clusterColour(number)), latentlab.plain(store.clusterName(number)));
  if (focused && byId("picture").querySelector(`#${focused}`)) byId(focused).focus({preventScroll: true});
  else byId("picture").focus({preventScroll: true});
  showAlike(row);
  prepare(place);
}

function facts(row) {
  const names = [...Object.keys(store.groups).filter(name => name !== "cluster"), ...Object.keys(store.texts)];
  return element("table", {}, element("tbody", {}, ...names.map(name => element("tr", {},
    element("th", {scope: "row", title: store.groups[name]?.title}, name), element("td", {}, store.valueText(name, row))))));
}

function framed(row) {
  if (!store.data.pictures) return [note("This run has vectors only, no pictures.")];
  if (store.position) return original(row);
  return [...tileOf(row)];
}

// The tile that the file has, as large as its pixels allow.
function* tileOf(row) {
  if (!store.hasPicture(row)) { yield note("No picture of this image is in the file."); return; }
  const canvas = element("canvas", {role: "img", "aria-label": store.describe(row)});
  const size = note("");
  thumbs.picture(row, 512).then(found => {
    [canvas.width, canvas.height] = [found.width, found.height];
    canvas.getContext("2d").drawImage(found.image, found.x, found.y, found.width, found.height, 0, 0, found.width, found.height);
    canvas.classList.toggle("few", Math.max(found.width, found.height) < 96);
    canvas.style.aspectRatio = `${found.width} / ${found.height}`;
    size.textContent = `${found.width} x ${found.height} pixels in this file`;
  });
  yield canvas;
  yield size;
}

// The picture that an image was made of, from the server; it opens alone in its full size. Until it is there, its thumbnail is.
function original(row) {
  const source = thumbs.originalAddress(row), size = note("");
  const holder = element("img", {src: thumbs.address(row, 256), alt: store.describe(row), class: "waits"});
  const link = element("a", {class: "original", href: source, target: "_blank", title: "open in its full size"}, holder);
  thumbs.load(source).then(image => {
    image.alt = store.describe(row);
    image.classList.toggle("few", Math.max(image.naturalWidth, image.naturalHeight) < 96);
    holder.replaceWith(image);
    size.textContent = `${count(image.naturalWidth)} x ${count(image.naturalHeight)} pixels`;
  }, () => {
    holder.remove();
    link.hidden = true;
    size.textContent = "The file of this image cannot be read any more.";
  });
  return [link, size];
}

// The pictures before and after are there when they are asked for.
function prepare(place) {
  if (!store.position || place < 0) return;
  for (const next of [place + 1, place - 1]) {
    if (next >= 0 && next < store.rows.length) thumbs.load(thumbs.originalAddress(store.rows[next])).catch(() => {});
  }
}

async function showAlike(row) {
  if (!store.findsAlike(row)) return;
  let rows;
  try { rows = await store.alike(row); } catch { return; }
  if (store.image !== row || !rows.length) return;
  byId("alike").replaceChildren(element("h3", {}, "Most like it"), element("div", {class: "strip"}, ...rows.slice(0, ALIKE).map(small)));
}

function small(row) {
  const holder = element("span", {class: "picture"});
  thumbs.show(holder, row, 64);
  return element("button", {type: "button", class: "small", title: store.describe(row), "aria-label": store.describe(row),
    style: {borderBottomColor: store.clusterColour(store.groups.cluster.values[row])}, onclick: () => latentlab.go.image(row)}, holder);
}

function toggleWide() {
  document.body.classList.toggle("wide");
  if (store.image !== null) show(store.image);
}

latentlab.picture = {show, step, hooks, small, toggleWide};
})();
