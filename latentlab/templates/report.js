// The page of a report: the map, its legend, hovering, search, selection, the panel of a cluster or image. Text from outside
// is set as text only. `latentlab view` adds view.js, which changes clusters through window.latentlab.
"use strict";
(() => {
const byId = name => document.getElementById(name);
const data = JSON.parse(byId("data").textContent);
const hooks = {cluster: [], selection: [], image: []};
const hidden = {};                 // group name -> Set of categories that are switched off
const state = {group: "cluster", cluster: null, image: null, selection: []};
let points, names, filter, frame, plotView, indexOf;

// Data

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.base64), character => character.charCodeAt(0));
  return new {int8: Int8Array, int32: Int32Array, float32: Float32Array}[packed.type](bytes.buffer);
}
function unpackGroup(group) { return {...group, values: unpack(group.values)}; }
const groups = Object.fromEntries(Object.entries(data.groups).map(([name, group]) => [name, unpackGroup(group)]));
const place = data.atlas?.place ? unpack(data.atlas.place) : null;
const position = data.position ? unpack(data.position) : null;
let rowOfId = null;
function rowOf(id) {
  rowOfId ??= new Map(data.ids.map((text, row) => [text, row]));
  return rowOfId.get(id);
}
function categoryText(name, row) {
  const group = groups[name], value = group.values[row];
  if (group.kind === "numbers") return Number.isNaN(value) ? "unknown" : value.toFixed(3);
  return value < 0 ? group.missing : group.names[value];
}

// Small pictures

const sheets = [...document.querySelectorAll("script.sheet")];
const decoded = new Map();
function sheet(number) {
  if (!decoded.has(number)) {
    const bytes = Uint8Array.from(atob(sheets[number].textContent), character => character.charCodeAt(0));
    decoded.set(number, createImageBitmap(new Blob([bytes], {type: "image/webp"})));
  }
  return decoded.get(number);
}
function load(source) {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("the image did not load"));
    image.src = source;
  });
}
// Draws the image of a row; resolves to whether there was one.
async function drawRow(canvas, row) {
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = (data.atlas?.side ?? 0) >= 48;
  if (!data.pictures) return false;
  if (position) {
    const image = await load(`image/${position[row]}`), side = Math.max(image.naturalWidth, image.naturalHeight);
    const width = canvas.width * image.naturalWidth / side, height = canvas.height * image.naturalHeight / side;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = side > canvas.width;
    context.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    return true;
  }
  const tile = place ? place[row] : row;
  if (tile < 0 || !data.atlas) return false;
  const {side, columns, perSheet} = data.atlas, within = tile % perSheet;
  const bitmap = await sheet(Math.floor(tile / perSheet));
  context.drawImage(bitmap, within % columns * side, Math.floor(within / columns) * side, side, side, 0, 0, canvas.width, canvas.height);
  return true;
}

// Elements

function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick" || name === "onchange") made[name] = value;
    else if (name === "style") Object.assign(made.style, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, plain(value));
  }
  made.append(...children.map(plain));
  return made;
}
// Names from outside may hold control characters and such that turn the direction of writing: they are spelled out.
// Joiners stay, without which Persian and Indic names and many emoji are not whole.
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
function plain(child) { return typeof child === "string" ? child.replace(UNSEEN, spelled) : child; }
function spelled(sign) {
  const code = sign.codePointAt(0), [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}
function dot(colour) { return element("span", {class: "dot", style: {background: colour}, "aria-hidden": "true"}); }
function told(text) { return element("p", {class: "note"}, text); }
function thumb(image) {
  const text = image.text ? `${image.id}: ${image.text}` : image.id;
  if (!image.source) return element("button", {type: "button", class: "id", title: text, onclick: () => openId(image.id, "")}, image.id);
  return element("button", {type: "button", title: text, onclick: () => openId(image.id, image.source)}, element("img", {src: image.source, alt: text, loading: "lazy"}));
}
function thumbs(images) { return element("div", {class: "thumbs"}, ...images.map(thumb)); }
function rowThumb(row) {
  if (!data.pictures) return element("button", {type: "button", class: "id", onclick: () => openRow(row)}, data.ids[row]);
  const side = document.body.classList.contains("photos") ? 96 : 56;
  const canvas = element("canvas", {width: side, height: side, role: "img", "aria-label": data.ids[row]});
  drawRow(canvas, row);
  return element("button", {type: "button", title: data.ids[row], onclick: () => openRow(row)}, canvas);
}
function sizeOf(number) { const cluster = data.clusters[number]; return cluster ? cluster.sizes.train + cluster.sizes.test : 0; }
const filled = () => data.clusters.filter(cluster => sizeOf(cluster.number));
const count = number => number.toLocaleString("en");
const percent = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
function bars(pairs, colour = () => "var(--accent)") {
  return element("div", {}, ...pairs.map(([name, share]) => element("div", {class: "bar"},
    element("span", {title: name}, name), element("i", {style: {width: `${100 * share}%`, background: colour(name)}}), element("span", {}, percent(share)))));
}

// Colours of the points

const rgba = colour => (parseInt(colour.slice(1), 16) * 256 + 255) >>> 0;
function coloursOf(group) {
  if (group.kind === "categories") {
    const colours = group.colours.map(rgba), grey = rgba(group.grey);
    return value => value < 0 ? grey : colours[value];
  }
  const ramp = data.ramp.map(rgba), scale = (ramp.length - 1) / (group.high - group.low || 1);
  return value => ramp[Math.max(0, Math.min(ramp.length - 1, Math.round((value - group.low) * scale)))] ?? 0xc4c8ceff;
}
function paint() {
  const group = groups[state.group], of = coloursOf(group), {row, colour} = points.data;
  for (let i = 0; i < row.length; i++) colour[i] = of(group.values[row[i]]);
  const off = hidden[state.group];
  filter.booleans = off && off.size ? Array.from(row, r => !off.has(group.values[r])) : null;
  points.change.emit();
  paintNames(group, off);
  paintLegend(group);
}
function paintNames(group, off) {
  const drawn = {x: [], y: [], text: [], colour: [], ink: []};
  if (group.kind === "categories" && group.names.length <= 60 && state.group !== "split") {
    for (const [category, centre] of centres(group).entries()) {
      if (!centre || off?.has(category)) continue;
      drawn.x.push(centre[0]); drawn.y.push(centre[1]);
      drawn.text.push(plain(shortName(group.names[category]))); drawn.colour.push(group.colours[category]); drawn.ink.push(group.inks[category]);
    }
  }
  names.data = drawn;
}
function shortName(text) {
  const bare = text.replace(/^cluster (\d+)$/, "$1");
  return bare.length > 18 ? `${bare.slice(0, 17)}…` : bare;
}
// The point of a group where it is densest on a coarse grid: a median may lie between two parts of it.
function centres(group) {
  const {x, y, row} = points.data, cells = group.names.map(() => new Map());
  const [left, right, bottom, top] = extent();
  for (let i = 0; i < row.length; i++) {
    const category = group.values[row[i]];
    if (category < 0) continue;
    const key = Math.floor(12 * (x[i] - left) / (right - left)) * 64 + Math.floor(12 * (y[i] - bottom) / (top - bottom));
    const cell = cells[category].get(key) ?? [0, 0, 0];
    cell[0] += x[i]; cell[1] += y[i]; cell[2]++;
    cells[category].set(key, cell);
  }
  return cells.map(found => {
    const best = [...found.values()].reduce((a, b) => b[2] > a[2] ? b : a, [0, 0, 0]);
    return best[2] ? [best[0] / best[2], best[1] / best[2]] : null;
  });
}
let known = null;
function extent() {
  if (known) return known;
  const {x, y} = points.data;
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    left = Math.min(left, x[i]); right = Math.max(right, x[i]); bottom = Math.min(bottom, y[i]); top = Math.max(top, y[i]);
  }
  return known = [left, right, bottom, top];
}
function paintLegend(group) {
  const legend = byId("legend");
  if (group.kind === "numbers") {
    legend.replaceChildren(element("span", {}, `${group.title}: ${group.low.toFixed(2)}`),
      element("span", {class: "ramp", role: "img", "aria-label": "from dark blue, low, to yellow, high", style: {background: `linear-gradient(90deg, ${data.ramp.join(",")})`}}),
      element("span", {}, group.high.toFixed(2)));
    return;
  }
  const off = hidden[state.group] ??= new Set();
  const counts = new Int32Array(group.names.length);
  let missing = 0;
  for (const value of group.values) value < 0 ? missing++ : counts[value]++;
  const entries = [...group.names.keys()].filter(i => counts[i]).map(i => entry(group.names[i], group.colours[i], counts[i], i, off));
  if (missing) entries.push(entry(group.missing, group.grey, missing, -1, off));
  legend.replaceChildren(...entries);
}
function entry(text, colour, number, category, off) {
  const toggle = element("button", {type: "button", "aria-pressed": String(!off.has(category)), title: "show or hide", onclick: () => {
    off.has(category) ? off.delete(category) : off.add(category);
    paint();
    byId("legend").querySelector(`[data-category="${category}"]`)?.focus();
  }}, dot(colour), state.group === "cluster" && category >= 0 ? count(number) : `${text} (${count(number)})`);
  toggle.dataset.category = category;
  if (state.group !== "cluster" || category < 0) return element("span", {class: "entry"}, toggle);
  const open = element("button", {type: "button", class: "open", title: "open this cluster", onclick: () => openCluster(category)}, text);
  return element("span", {class: "entry"}, toggle, open);
}

// The view of the map

function setRange(left, right, bottom, top) {
  frame.x_range.setv({start: left, end: right});
  frame.y_range.setv({start: bottom, end: top});
}
function aspect() { const box = byId("map").getBoundingClientRect(); return Math.max(0.2, (box.height - 8) / Math.max(50, box.width - 40)); }
function showAll() {
  const [left, right, bottom, top] = extent(), across = 1.06 * Math.max(right - left, (top - bottom) / aspect(), 1e-6);
  centre((left + right) / 2, (bottom + top) / 2, across);
  for (const range of [frame.x_range, frame.y_range]) range.setv({reset_start: range.start, reset_end: range.end});
}
function centre(x, y, across) {
  const up = across * aspect();
  setRange(x - across / 2, x + across / 2, y - up / 2, y + up / 2);
}
function width() { return frame.x_range.end - frame.x_range.start; }
function middle() { return [(frame.x_range.start + frame.x_range.end) / 2, (frame.y_range.start + frame.y_range.end) / 2]; }
function move(right, up) { const [x, y] = middle(), step = width() / 8; centre(x + right * step, y + up * step, width()); }
function zoom(factor) { const [x, y] = middle(); centre(x, y, width() * factor); }
// Where a row's point is in the window.
function pixelOf(row) {
  const i = indexOf[row], box = plotView.canvas_view.el.getBoundingClientRect();
  return [box.left + plotView.frame.x_scale.compute(points.data.x[i]), box.top + plotView.frame.y_scale.compute(points.data.y[i])];
}

// Hovering

let pointer = [0, 0], hovered = -1;
function hover() {
  const indices = points.inspected.indices, row = indices.length ? points.data.row[indices[indices.length - 1]] : -1;
  if (row === hovered) return;
  hovered = row;
  byId("tip").hidden = true;
  if (row >= 0) showTip(row);
}
async function showTip(row) {
  const tip = byId("tip"), canvas = tip.querySelector("canvas");
  const fresh = element("canvas", {width: 96, height: 96});
  const drawn = await drawRow(fresh, row).catch(() => false);
  if (row !== hovered) return;
  canvas.hidden = !drawn;
  if (drawn) { const context = canvas.getContext("2d"); context.clearRect(0, 0, 96, 96); context.drawImage(fresh, 0, 0); }
  tip.dataset.row = row;
  tip.lastElementChild.replaceChildren(...tipTexts(row).map(text => element("div", {}, text)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(pointer[0] + 16, innerWidth - box.width - 6))}px`;
  tip.style.top = `${Math.max(4, Math.min(pointer[1] + 16, innerHeight - box.height - 6))}px`;
}
function tipTexts(row) {
  const places = groups.split ? ["cluster", "split"] : ["cluster"];
  const texts = [data.ids[row], places.map(name => categoryText(name, row)).join(", ")];
  for (const name of ["label", "confidence", "margin", "agreement", "mark"]) if (groups[name]) texts.push(`${name}: ${categoryText(name, row)}`);
  return texts;
}

// The panel

function show(...children) {
  byId("panel").replaceChildren(...children.filter(Boolean));
  byId("panel").scrollTop = 0;
  if (matchMedia("(max-width: 900px)").matches && state.touched) byId("panel").scrollIntoView({behavior: "smooth", block: "nearest"});
}
function select(rows) {
  points.selected.indices = rows.map(row => indexOf[row]);
  byId("clear").hidden = !rows.length;
}
function welcome() {
  Object.assign(state, {cluster: null, image: null, selection: []});
  select([]);
  show(element("h3", {}, "Look around"),
    told(`Point at a dot to see ${data.pictures ? "its image" : "which it is"}. Click a cluster in the legend, below or here to open its page: its size, typical and doubtful images${groups.label ? ", labels" : ""}${data.clusters.some(cluster => cluster.centroid) ? ", and what the decoder makes of its middle" : ""}.`),
    element("div", {class: "row"}, ...filled().map(cluster => element("button", {type: "button", onclick: () => openCluster(cluster.number)}, dot(groups.cluster.colours[cluster.number]), clusterName(cluster.number)))));
}
function clusterName(number) { return groups.cluster.names[number] ?? `cluster ${number}`; }
function rowsOf(name, category) {
  const found = [];
  groups[name].values.forEach((value, row) => { if (value === category) found.push(row); });
  return found;
}
function openCluster(number, fromHistory = false) {
  const cluster = data.clusters[number];
  if (!cluster || !sizeOf(number)) return close();
  Object.assign(state, {cluster: number, image: null, selection: [], touched: true});
  if (!fromHistory && location.hash !== `#cluster-${number}`) history.pushState(null, "", `#cluster-${number}`);
  select(rowsOf("cluster", number));
  byId("clear").hidden = false;
  const total = sizeOf(number), all = data.clusters.reduce((sum, one) => sum + sizeOf(one.number), 0);
  const step = by => { const all = filled(), at = all.indexOf(cluster); openCluster(all[(at + by + all.length) % all.length].number); };
  show(
    element("div", {class: "row"}, element("button", {type: "button", onclick: () => step(-1), "aria-label": "previous cluster"}, "‹"),
      element("button", {type: "button", onclick: () => step(1), "aria-label": "next cluster"}, "›"),
      element("button", {type: "button", onclick: close}, "Close")),
    element("h3", {}, dot(groups.cluster.colours[number]), clusterName(number)),
    told(`${count(total)} images, ${percent(total / all)} of all${data.clusters.some(one => one.sizes.test) ? `: ${count(cluster.sizes.train)} training, ${count(cluster.sizes.test)} held-out` : ""}.`),
    ...hooks.cluster.map(hook => hook(number)),
    cluster.centroid && element("h4", {}, "Decoded mean code"),
    cluster.centroid && element("div", {class: "big"}, element("img", {src: cluster.centroid, alt: `What the decoder makes of the mean code of ${clusterName(number)}`})),
    cluster.labels.length ? element("h4", {}, "Labels, held out from all training") : null,
    cluster.labels.length ? bars(cluster.labels, name => groups.label.colours[groups.label.names.indexOf(name)]) : null,
    element("h4", {}, "Nearest to the center"), thumbs(cluster.nearest),
    element("h4", {}, "Most ambiguous"), thumbs(cluster.ambiguous),
    ...movesOf(cluster));
}
function movesOf(cluster) {
  const moves = cluster.moves;
  if (!moves) return [];
  const list = (pairs, word) => pairs.map(([other, number]) => `${count(number)} ${word} ${other}`).join(", ");
  return [element("h4", {}, "What refinement moved"),
    told(`${count(moves.stayed)} images stayed; ${count(moves["moved in"])} came${moves.in.length ? ` (${list(moves.in, "from")})` : ""}, ${count(moves["moved out"])} left${moves.out.length ? ` (${list(moves.out, "to")})` : ""}.`),
    thumbs(cluster.movers)];
}
function openId(id, source) { const row = rowOf(id); row === undefined ? openOutside(id, source) : openRow(row, source); }
function openOutside(id, source) {
  state.image = null;
  show(element("div", {class: "row"}, element("button", {type: "button", onclick: back}, "Back")), element("h3", {}, id),
    source && element("div", {class: "big"}, element("img", {src: source, alt: id})), told("This image is not among those of the map."));
}
function back() { state.cluster === null ? close() : openCluster(state.cluster); }
function openRow(row, source = "") {
  Object.assign(state, {image: row, touched: true});
  select([row]);
  const picture = data.pictures && (position ? original(row) : source ? element("div", {class: "big"}, element("img", {src: source, alt: data.ids[row]})) : large(row));
  const number = groups.cluster.values[row];
  show(
    element("div", {class: "row"}, number >= 0 && element("button", {type: "button", onclick: () => openCluster(number)}, dot(groups.cluster.colours[number]), clusterName(number)),
      element("button", {type: "button", onclick: back}, "Back")),
    element("h3", {}, data.ids[row]), picture,
    element("table", {}, ...Object.keys(groups).map(name => element("tr", {}, element("th", {scope: "row"}, name), element("td", {}, categoryText(name, row))))),
    ...hooks.image.map(hook => hook(row)));
}
// The thumbnail that the file has of an image, larger.
function large(row) {
  const canvas = element("canvas", {width: 192, height: 192, role: "img", "aria-label": data.ids[row]});
  const missing = told("No thumbnail of this image is in the file.");
  missing.hidden = true;
  drawRow(canvas, row).then(drawn => { canvas.hidden = !drawn; missing.hidden = drawn; }, () => { missing.hidden = false; });
  return element("div", {}, element("div", {class: "big"}, canvas), missing);
}
// The picture that an image was made of, from the server, as wide as the panel; it opens in its full size.
function original(row) {
  const source = `original/${position[row]}`, size = told("");
  const image = element("img", {src: source, alt: data.ids[row]});
  const link = element("a", {class: "original", href: source, target: "_blank", title: "open in its full size"}, image);
  image.onload = () => {
    link.classList.toggle("few", image.naturalWidth < 160);
    size.textContent = `${count(image.naturalWidth)} x ${count(image.naturalHeight)} pixels`;
  };
  image.onerror = () => { link.hidden = true; size.textContent = "The file of this image cannot be read any more."; };
  return element("div", {}, link, size);
}
function goTo(row) {
  const i = indexOf[row], [left, right] = extent();
  centre(points.data.x[i], points.data.y[i], Math.min(width(), (right - left) / 5));
  openRow(row);
}
const SHOWN = 60;
function openSelection(rows) {
  Object.assign(state, {cluster: null, image: null, selection: rows, touched: true});
  if (points.selected.indices.length !== rows.length) select(rows);
  byId("clear").hidden = false;
  const shares = name => {
    const group = groups[name], counts = new Map();
    for (const row of rows) counts.set(group.values[row], (counts.get(group.values[row]) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([value, number]) => [value < 0 ? group.missing : group.names[value], number / rows.length]);
  };
  const step = Math.max(1, Math.floor(rows.length / SHOWN));
  show(
    element("h3", {}, `${count(rows.length)} images selected`),
    ...hooks.selection.map(hook => hook(rows)),
    element("div", {class: "row"}, element("button", {type: "button", onclick: () => saveIds(rows)}, "Save their ids"), element("button", {type: "button", onclick: close}, "Clear")),
    element("h4", {}, "Clusters"), bars(shares("cluster"), name => groups.cluster.colours[groups.cluster.names.indexOf(name)]),
    groups.label && element("h4", {}, "Labels"), groups.label && bars(shares("label"), name => groups.label.colours[groups.label.names.indexOf(name)]),
    element("h4", {}, rows.length > SHOWN ? `${SHOWN} of them` : "Images"),
    element("div", {class: "thumbs"}, ...rows.filter((_, i) => i % step === 0).slice(0, SHOWN).map(rowThumb)));
}
function saveIds(rows) {
  // No spreadsheet takes a cell for a formula, as in storage/text_tables.py.
  const guarded = text => /^['\s]*[=+\-@\t\r＝＋－＠]/.test(text) && !/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? `'${text}` : text;
  const quote = text => `"${guarded(text).replaceAll('"', '""')}"`;
  const lines = ["id,cluster", ...rows.map(row => `${quote(data.ids[row])},${groups.cluster.values[row]}`)];
  const link = element("a", {href: URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"})), download: "selection.csv"});
  link.click();
  URL.revokeObjectURL(link.href);
}
function close() {
  if (location.hash.startsWith("#cluster-")) history.pushState(null, "", location.pathname + location.search);
  welcome();
}
// Bokeh's tools tell of a selection here; those that the page makes itself are told apart by their size and kind.
function selected(rows, kind) {
  if (kind === "point") rows.length && openRow(rows[rows.length - 1]);
  else if (rows.length) openSelection(rows);
  else close();
}

// Cards below the map

function cards() {
  byId("cards").replaceChildren(...filled().map(cluster => {
    const labels = cluster.labels.slice(0, 3).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
    return element("article", {class: "card", "aria-label": clusterName(cluster.number)},
      element("h3", {}, dot(groups.cluster.colours[cluster.number]), element("button", {type: "button", onclick: () => {
        openCluster(cluster.number);
        byId("map-part").scrollIntoView();
        byId("panel").focus({preventScroll: true});
      }}, clusterName(cluster.number))),
      thumbs(cluster.nearest.slice(0, 8)),
      element("p", {}, `${count(sizeOf(cluster.number))} images${labels ? `: ${labels}` : ""}`));
  }));
}

// Search

const MATCHES = 20;
function search() {
  const text = byId("search").value.trim().toLowerCase(), list = byId("matches");
  const rows = [];
  if (text) for (let row = 0; row < data.ids.length && rows.length < MATCHES; row++) if (data.ids[row].toLowerCase().includes(text)) rows.push(row);
  list.replaceChildren(...rows.map((row, i) => {
    const option = element("div", {role: "option", id: `match-${i}`, "aria-selected": String(i === 0), onclick: () => take(row)}, data.ids[row]);
    option.dataset.row = row;
    return option;
  }), ...(text && !rows.length ? [element("div", {}, "no image of that id on the map")] : []));
  list.hidden = !text;
  byId("search").setAttribute("aria-expanded", String(!!text));
  byId("search").setAttribute("aria-activedescendant", rows.length ? "match-0" : "");
}
function take(row) { byId("matches").hidden = true; byId("search").setAttribute("aria-expanded", "false"); goTo(row); }
function searchKey(event) {
  const options = [...byId("matches").querySelectorAll("[role=option]")], now = options.findIndex(o => o.getAttribute("aria-selected") === "true");
  if (event.key === "Escape") { byId("search").value = ""; search(); }
  else if (event.key === "Enter" && options[now]) take(Number(options[now].dataset.row));
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
    const next = (now + (event.key === "ArrowDown" ? 1 : options.length - 1)) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === next)));
    options[next].scrollIntoView({block: "nearest"});
    byId("search").setAttribute("aria-activedescendant", options[next].id);
  } else return;
  event.preventDefault();
}

// Keys of the map

function stepImage(by) {
  const rows = state.cluster === null ? data.ids.map((_, row) => row) : rowsOf("cluster", state.cluster);
  if (!rows.length) return;
  const cluster = state.cluster, now = rows.indexOf(state.image ?? -1);
  openRow(rows[(now + by + rows.length) % rows.length]);
  state.cluster = cluster;
}
const keys = {
  ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1),
  "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), 0: showAll, ".": () => stepImage(1), ",": () => stepImage(-1), Escape: close,
};
function mapKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  keys[event.key]();
  event.preventDefault();
}

// Light and dark

function theme() {
  const chosen = byId("theme").value;
  chosen === "auto" ? delete document.documentElement.dataset.theme : document.documentElement.dataset.theme = chosen;
  try { localStorage.setItem("latentlab-theme", chosen); } catch { /* a browser may keep nothing for files */ }
}
try { byId("theme").value = localStorage.getItem("latentlab-theme") ?? "auto"; } catch { /* as above */ }
byId("theme").onchange = theme;
theme();

// Start

function lasso() {
  const on = byId("lasso").getAttribute("aria-pressed") !== "true", bar = frame.toolbar;
  const tool = bar.tools.find(one => one.type === (on ? "LassoSelectTool" : "PanTool"));
  tool.active = on || tool.type === "PanTool";
}
function watchTools() {
  const tool = frame.toolbar.tools.find(one => one.type === "LassoSelectTool");
  tool.properties.active.change.connect(() => byId("lasso").setAttribute("aria-pressed", String(tool.active)));
}
// WebGL by a graphics card draws every point of every frame; where a processor imitates it, a canvas is faster, which draws
// a tenth of many points while they move.
function backend() {
  const context = document.createElement("canvas").getContext("webgl2"), named = context?.getExtension("WEBGL_debug_renderer_info");
  const renderer = named ? String(context.getParameter(named.UNMASKED_RENDERER_WEBGL)) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context && !/swiftshader|llvmpipe|software|basic render/i.test(renderer) ? "webgl" : "canvas";
}
async function start() {
  const begun = performance.now();
  window.latentlab.renderer = backend();
  data.item.doc.roots[0].attributes.output_backend = window.latentlab.renderer;
  const manager = await Bokeh.embed.embed_item(data.item, "map");
  plotView = manager.roots ? manager.roots[0] : [...manager][0];
  frame = plotView.model;
  const model = name => frame.document.get_model_by_name(name);
  points = model("points"); names = model("names"); filter = model("shown");
  indexOf = new Int32Array(points.data.row.length);
  points.data.row.forEach((row, i) => { indexOf[row] = i; });
  fillChoices();
  byId("colour-by").onchange = () => { state.group = byId("colour-by").value; paint(); };
  byId("search").oninput = search;
  byId("search").onkeydown = searchKey;
  byId("lasso").onclick = lasso;
  byId("clear").onclick = close;
  byId("map").addEventListener("pointermove", event => { pointer = [event.clientX, event.clientY]; }, true);
  byId("map").addEventListener("pointerleave", () => { hovered = -1; byId("tip").hidden = true; });
  byId("map").addEventListener("keydown", mapKey);
  document.addEventListener("click", event => { if (!event.target.closest("#matches, #search")) byId("matches").hidden = true; });
  points.inspect.connect(hover);
  frame.on_event("selectiongeometry", event => selected(Array.from(points.selected.indices, i => points.data.row[i]), event.geometry.type));
  watchTools();
  const copy = byId("copy-command");
  copy.onclick = () => navigator.clipboard?.writeText(byId("command").textContent).then(() => { copy.textContent = "Copied"; });
  let shown = "";
  new ResizeObserver(() => {
    const box = byId("map").getBoundingClientRect(), size = `${box.width}x${box.height}`;
    if (size !== shown) { shown = size; showAll(); }
  }).observe(byId("map"));
  showAll();
  paint();
  cards();
  window.addEventListener("popstate", route);
  route();
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("latentlab-shown")));
  return performance.now() - begun;
}
function route() {
  const wanted = /^#cluster-(\d+)$/.exec(location.hash);
  wanted && data.clusters[wanted[1]] ? openCluster(Number(wanted[1]), true) : welcome();
}
// Takes groups that have changed, and the clusters as they now are.
function replaceClusters(changed, clusters) {
  if (!changed.mark) delete groups.mark;
  for (const [name, group] of Object.entries(changed)) { groups[name] = unpackGroup(group); hidden[name]?.clear(); }
  data.clusters = clusters;
  fillChoices();
  paint();
  cards();
}
function fillChoices() {
  if (!groups[state.group]) state.group = "cluster";
  byId("colour-by").replaceChildren(...Object.keys(groups).map(name => element("option", {selected: name === state.group}, name)));
}

window.latentlab = {data, groups, state, hooks, element, told, count, openCluster, openSelection, openRow, close, replaceClusters, sizeOf, clusterName, rowsOf, pixelOf, drawRow, showAll, view: () => plotView};
window.latentlab.ready = start();
})();
