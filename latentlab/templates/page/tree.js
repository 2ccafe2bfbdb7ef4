// The hierarchy of the clusters: a tree to open, and to cut into any smaller number of groups, without a new fit.
"use strict";
(() => {
const {store, element, count, images, byId} = latentlab;
const LINE = 24;   // pixels of a leaf
const ROOM = 150;  // pixels of the names
let groups = 0;    // of the cut; 0 before there is any

const leaves = () => store.data.tree.leaves;
const merges = () => store.data.tree.merges;
const isThere = () => Boolean(store.data.tree?.merges?.length) && store.filled().length > 1;

// Every node: its clusters, height and place in the drawing; the joints after the leaves, the lowest first.
// Clusters without images are left out, since they were merged or dropped by hand.
function nodes() {
  const found = leaves().map(number => store.sizeOf(number) ? {clusters: [number], height: 0, parts: []} : null);
  for (const [a, b, height] of merges()) {
    const parts = [found[a], found[b]].filter(Boolean);
    found.push(parts.length < 2 ? parts[0] ?? null : {clusters: parts.flatMap(part => part.clusters), height, parts});
  }
  const all = [...new Set(found.filter(Boolean))].sort((a, b) => a.parts.length - b.parts.length || a.height - b.height);
  let line = 0;
  const place = node => {
    node.parts.forEach(place);
    node.y = node.parts.length ? (node.parts[0].y + node.parts[1].y) / 2 : LINE * (line++ + 0.5);
  };
  place(all[all.length - 1]);
  return all;
}

// The nodes under a cut, so many that there are `number` groups.
function cutNodes(number) {
  const all = nodes(), under = all.slice(0, all.length - (number - 1));
  const parts = new Set(under.flatMap(node => node.parts));
  return under.filter(node => !parts.has(node));
}

function nameOf(node) {
  const names = [...node.clusters].sort((a, b) => store.sizeOf(b) - store.sizeOf(a)).map(store.clusterName);
  const bare = names.map(name => /^cluster (\d+)$/.exec(name)?.[1]);
  if (names.length > 1 && names.length < 6 && bare.every(Boolean)) return `clusters ${bare.join(", ")}`;
  return names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${count(names.length - 2)} more` : names.join(", ");
}
function sizeOf(node) { return node.clusters.reduce((sum, number) => sum + store.sizeOf(number), 0); }
const largest = node => node.clusters.reduce((a, b) => store.sizeOf(b) > store.sizeOf(a) ? b : a);

// Opens the images of a node.
function openNode(node) {
  if (node.clusters.length === 1) return latentlab.go.cluster(node.clusters[0]);
  const rows = node.clusters.flatMap(number => Array.from(store.rowsOf("cluster", number)));
  latentlab.go.rows(rows, nameOf(node));
}

// Colours the map by the groups of a cut.
function colour(cut) {
  const {cluster} = store.groups, groupOf = new Map(cut.flatMap((node, i) => node.clusters.map(number => [number, i])));
  const colours = cut.map(node => cluster.colours[largest(node)]), inks = cut.map(node => cluster.inks[largest(node)]);
  store.setGroup("level", {kind: "categories", values: Int32Array.from(cluster.values, number => groupOf.get(number) ?? -1),
    names: cut.map(nameOf), missing: cluster.missing, colours, inks, grey: cluster.grey});
}

function svg(kind, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map(latentlab.plain));
  return made;
}

function drawing(cut) {
  const all = nodes(), width = Math.max(280, byId("tree").clientWidth - 12), tall = store.filled().length * LINE;
  const highest = all[all.length - 1].height || 1, x = node => (width - ROOM) * (1 - Math.sqrt(node.height / highest)) * 0.94 + 12;
  const picture = svg("svg", {width, height: tall, viewBox: `0 0 ${width} ${tall}`, role: "group", "aria-label": "Tree of the clusters"});
  const groupOf = new Map();
  const mark = (node, top) => { groupOf.set(node, top); node.parts.forEach(part => mark(part, top)); };
  const byName = new Map(all.map(node => [node.clusters.join(), node]));
  cut.forEach(node => mark(byName.get(node.clusters.join()), node));
  const inkOf = node => groupOf.has(node) ? store.clusterColour(largest(groupOf.get(node))) : "var(--soft)";
  for (const node of all) {
    for (const part of node.parts) {
      picture.append(svg("path", {d: `M${x(node)} ${node.y}V${part.y}H${x(part)}`, fill: "none", stroke: inkOf(part), "stroke-width": groupOf.has(part) ? 3 : 1.5}));
    }
  }
  for (const node of all) picture.append(nodeMark(node, x(node), inkOf(node), width));
  return picture;
}
function nodeMark(node, x, ink, width) {
  const isLeaf = !node.parts.length, name = `${nameOf(node)}: ${images(sizeOf(node))}`;
  const mark = svg("g", {tabindex: "0", role: "button", "aria-label": latentlab.plain(name), class: "node"},
    svg("title", {}, name), svg("circle", {cx: x, cy: node.y, r: isLeaf ? 5 : 6, fill: ink, stroke: "var(--page)"}));
  if (isLeaf) {
    const room = Math.floor((width - x - 14) / 8), text = store.clusterName(node.clusters[0]);
    mark.append(svg("text", {x: x + 11, y: node.y + 5, fill: "currentColor", "font-size": 13}, text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text));
  }
  mark.onclick = () => openNode(node);
  mark.onkeydown = event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    openNode(node);
    event.preventDefault();
  };
  return mark;
}

// The slider of the cut, and the tree above it.
function show() {
  const most = (nodes().length + 1) / 2;
  groups = Math.max(1, Math.min(most, groups || most));
  const cut = cutNodes(groups);
  const slider = element("input", {type: "range", id: "cut", min: 1, max: most, value: groups, "aria-label": "Number of groups",
    oninput: latentlab.inNextFrame(() => { groups = Number(byId("cut").value); show(); byId("cut").focus(); })});
  byId("tree").replaceChildren(
    element("div", {class: "row"}, element("label", {}, "Cut into ", slider, ` ${count(groups)} ${groups === 1 ? "group" : "groups"}`), joinTool(cut)),
    element("div", {class: "drawing"}, ...(byId("tree").clientWidth ? [drawing(cut)] : [])));
  colour(cut);
  latentlab.panels.recolour("level");
  latentlab.panels.overview();
}
// In the viewer, the groups can be made the clusters.
function joinTool(cut) {
  const joined = cut.filter(node => node.clusters.length > 1);
  if (!latentlab.edit || !joined.length) return null;
  return latentlab.button("Make these the clusters", () => {
    for (const node of joined) latentlab.edit("edit", {action: "merge", clusters: [largest(node), ...node.clusters.filter(number => number !== largest(node))]});
  }, {id: "join", title: "merges them, one edit each; undo takes it back"});
}
function hide() {
  if (store.colour === "level") latentlab.panels.recolour("cluster");
  store.setGroup("level", null);
  latentlab.panels.fillColours();
}

// What the overview shows while the tree is open.
function entries() {
  return cutNodes(groups).map(node => ({key: node.clusters.join(), name: nameOf(node), colour: store.clusterColour(largest(node)), size: sizeOf(node),
    rows: () => node.clusters.length === 1 ? store.rowsOf("cluster", node.clusters[0]) : Int32Array.from(node.clusters.flatMap(number => [...store.rowsOf("cluster", number)])),
    open: () => openNode(node)}));
}

latentlab.tree = {isThere, show, hide, entries};
})();
