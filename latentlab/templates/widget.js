// A widget of a notebook: the page's map beside its grid. What is selected in it is the model's, and the other way round.
// latentlab/reporting/widget_page.py puts the page's scripts into `latentlabOf`, which is called once for each view.

const NARROW = 640;   // pixels below which the grid is under the map
const TIP_SIDE = 96;
const FULL_SIDE = 320;
let styles = null;

// Whether what is behind an element is dark: notebooks mark their themes in different ways.
function isDark(element) {
  for (let one = element; one; one = one.parentElement ?? one.getRootNode().host) {
    const found = getComputedStyle(one).backgroundColor.match(/^rgba?\((\d+),? (\d+),? (\d+)(?:,? ?\/? ?([\d.]+))?\)$/);
    if (!found || Number(found[4] ?? 1) < 0.5) continue;
    return 0.3 * found[1] + 0.59 * found[2] + 0.11 * found[3] < 128;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function newRoot(host) {
  const root = host.attachShadow({mode: "open"});
  if (!styles) {
    styles = new CSSStyleSheet();
    styles.replaceSync(STYLE);
  }
  root.adoptedStyleSheets = [styles];
  return root;
}

function render({model, el}) {
  const sheets = model.get("_sheets");
  const latentlab = latentlabOf({data: () => JSON.parse(model.get("_data")), sheet: number => sheets[number]});
  const {store, thumbs, inks, element, button, images} = latentlab;
  const host = element("div", {class: "latentlab", "data-lm-suppress-shortcuts": "true"}), root = newRoot(host);
  host.style.height = `${model.get("height")}px`;
  for (const kind of ["keydown", "keyup", "keypress"]) host.addEventListener(kind, event => event.stopPropagation());  // no commands of the notebook

  const colourBy = element("select"), search = element("input", {type: "search", placeholder: "name or column", "aria-label": "Search"});
  const size = element("input", {type: "range", min: 32, max: 192, step: 8, value: store.data.atlas?.side >= 96 ? 96 : 56});
  const status = element("span", {role: "status"}), clearing = button("Clear", () => clear(), {title: "Select nothing"});
  const mapHolder = element("div", {id: "map"}), gridHolder = element("div", {id: "grid"}), ramp = element("div", {class: "ramp-of-widget"});
  const full = element("div", {class: "full", hidden: true}), tip = element("div", {class: "tip-of-widget", hidden: true});
  const box = element("div", {class: "widget", role: "group", "aria-label": `Images of ${model.get("_title")}`},
    element("div", {class: "bar-of-widget"}, element("strong", {}, model.get("_title")), element("label", {}, "Colour by", colourBy),
      element("label", {}, "Find", search), element("label", {}, "Size", size)),
    element("div", {class: "sides"}, element("div", {class: "side"}, mapHolder, ramp, tip),
      element("div", {class: "side"}, element("div", {class: "head-of-widget"}, status, clearing), gridHolder, full)),
    element("p", {class: "note"}, model.get("_note")));
  root.append(box);
  el.append(host);

  // What is selected

  // Rows that are open: all of the cluster, lasso or search, also those that the grid has no picture of.
  function openRows() {
    const {inScope, passing} = store, found = [];
    if (!inScope && !passing) return found;
    for (let row = 0; row < store.n; row++) if ((!inScope || inScope[row]) && (!passing || passing[row])) found.push(row);
    return found;
  }
  function selectedRows() {
    return latentlab.grid.picked.size ? [...latentlab.grid.picked].sort((a, b) => a - b) : openRows();
  }
  const isSame = (one, other) => one.length === other.length && one.every((row, i) => row === other[i]);
  function tell() {
    const rows = selectedRows();
    showStatus(rows.length);
    if (isSame(rows, model.get("_rows"))) return;
    model.set("_rows", rows);
    model.save_changes();
  }
  function showStatus(count) {
    status.textContent = count ? `${images(count)} selected` : images(store.n);
    const {length} = store.rows, withheld = store.withheld;
    if (withheld) status.textContent += `, ${latentlab.count(length)} with a picture here`;
    clearing.hidden = !count;
  }
  function take() {
    const rows = model.get("_rows");
    if (isSame(rows, selectedRows())) return;
    latentlab.grid.picked.clear();
    search.value = store.query = "";
    store.open(rows.length ? {kind: "rows", rows: Int32Array.from(rows)} : {kind: "overview"});
    if (rows.length) latentlab.map.showRows(rows);
  }
  function open(scope) {
    latentlab.grid.picked.clear();
    store.open(scope);
  }
  function clear() {
    search.value = store.query = "";
    open({kind: "overview"});
    latentlab.map.showAll();
  }

  // A picture in full, with what is known of it

  function openImage(row) {
    store.image = row;
    latentlab.map.setRing(row);
    full.hidden = row === null;
    if (row === null) return latentlab.grid.focus();
    const canvas = element("canvas", {width: 2 * FULL_SIDE, height: 2 * FULL_SIDE, role: "img", "aria-label": store.describe(row)});
    const names = [...Object.keys(store.groups), ...Object.keys(store.texts)];
    const back = button("Back", () => openImage(null));
    full.replaceChildren(
      element("div", {class: "row"}, back, button("←", () => step(-1), {"aria-label": "Image before"}), button("→", () => step(1), {"aria-label": "Image after"}),
        button("Pick", () => latentlab.grid.toggle(row), {title: "Into the selection, or out of it"}),
        store.findsAlike(row) && button("More like this", () => alike(row))),
      element("div", {class: "full-body"}, store.hasPicture(row) ? canvas : element("p", {class: "note"}, "No picture of it is in this widget."),
        element("table", {}, element("tbody", {}, fact("image", store.ids[row]), ...names.map(name => fact(store.groups[name]?.title ?? name, store.valueText(name, row)))))));
    thumbs.draw(canvas, row);
    latentlab.map.centre(row);
    if (root.activeElement?.closest(".full") || root.activeElement === null || root.activeElement.closest(".grid")) back.focus();
  }
  function fact(name, value) { return element("tr", {}, element("th", {scope: "row"}, name), element("td", {}, value)); }
  function step(by) {
    const {rows} = store, at = rows.indexOf(store.image);
    openImage(rows[(at + by + rows.length) % rows.length]);
  }
  async function alike(row) {
    const found = await store.alike(row);
    openImage(null);
    open({kind: "like", rows: Int32Array.from([row, ...found])});
  }
  full.addEventListener("keydown", event => {
    const doing = {Escape: () => openImage(null), ArrowLeft: () => step(-1), ArrowRight: () => step(1)}[event.key];
    if (!doing) return;
    doing();
    event.preventDefault();
  });

  // Map and grid

  let painted = {};
  function paint() {
    const group = store.groups[store.colour];
    if (painted.group !== group) painted = {group, inks: inks.of(group), names: inks.names(store.colour, latentlab.map.extent)};
    latentlab.map.paint(painted.inks, levels());
    latentlab.map.setNames(painted.names);
    const ends = group.kind === "numbers" ? [group.low, group.high].map(value => String(Number(value.toPrecision(3)))) : [];
    ramp.hidden = !ends.length;
    ramp.replaceChildren(ends[0] ?? "", element("span", {class: "ramp", style: {background: `linear-gradient(90deg, ${store.data.ramp.join(",")})`}}), ends[1] ?? "");
  }
  // Points beside the selection are faded.
  function levels() {
    const {picked} = latentlab.grid;
    if (!picked.size) return inks.levels();
    const found = new Uint8Array(store.n).fill(1);
    for (const row of picked) found[row] = 2;
    return found;
  }
  function pointAt(row, x, y) {
    tip.hidden = row === null;
    if (row === null) return;
    const canvas = element("canvas", {width: 2 * TIP_SIDE, height: 2 * TIP_SIDE});
    tip.replaceChildren(...(store.hasPicture(row) ? [canvas] : []), store.describe(row));
    if (store.hasPicture(row)) thumbs.draw(canvas, row);
    const isRight = x > mapHolder.clientWidth / 2, isLow = y > mapHolder.clientHeight / 2;
    Object.assign(tip.style, {left: isRight ? "" : `${x + 14}px`, right: isRight ? `${mapHolder.clientWidth - x + 14}px` : "",
      top: isLow ? "" : `${y + 14}px`, bottom: isLow ? `${mapHolder.parentElement.clientHeight - y + 14}px` : ""});
  }
  function makeParts() {
    latentlab.map = latentlab.Map(mapHolder, {
      xy: store.xy, label: "Map of the images: arrow keys move, plus and minus zoom, 0 shows all", picture: store.data.pictures ? thumbs.atHand : null,
      onHover: pointAt, onOpen: openImage,
      onName: category => open({kind: "rows", rows: store.rowsOf(store.colour, category).slice()}),
      onSelect: rows => { latentlab.map.setTool("move"); rows.length ? open({kind: "rows", rows}) : clear(); },
    });
    latentlab.grid = latentlab.Grid(gridHolder, {
      label: "Images", size: Number(size.value), show: thumbs.show, describe: store.describe,
      colourOf: row => store.clusterColour(store.groups.cluster.values[row]),
      onOpen: openImage, onPick: () => { paint(); tell(); }, onCursor: row => latentlab.map.setHint(row), onHover: row => latentlab.map.setHint(row),
    });
  }
  function fillColours() {
    colourBy.replaceChildren(...Object.entries(store.groups).map(([name, group]) => element("option", {value: name}, group.title ?? name)));
    colourBy.value = store.colour;
    colourBy.onchange = () => { store.colour = colourBy.value; paint(); };
  }
  function rowsChanged() {
    if (store.image !== null || !full.hidden) full.hidden = true;
    latentlab.map.setRing(null);
    latentlab.grid.setRows(store.rows);
    paint();
    tell();
  }

  // Size and theme of the notebook

  function fit() {
    host.dataset.theme = isDark(host.parentElement) ? "dark" : "light";
    box.classList.toggle("narrow", host.clientWidth < NARROW);
    latentlab.map?.redraw();
  }
  const sizes = new ResizeObserver(latentlab.inNextFrame(fit));
  const themes = new MutationObserver(latentlab.inNextFrame(fit));
  sizes.observe(host);
  for (const one of [document.documentElement, document.body]) themes.observe(one, {attributes: true});

  async function start() {
    await store.load();
    makeParts();
    fillColours();
    size.oninput = () => latentlab.grid.setSize(Number(size.value));
    search.oninput = () => { latentlab.grid.picked.clear(); store.set({query: search.value}); };
    store.on("rows", rowsChanged);
    const rows = model.get("_rows");
    latentlab.grid.setRows(store.rows);
    paint();
    showStatus(0);
    fit();
    if (rows.length) take();
    model.on("change:_rows", take);
  }
  host.latentlab = latentlab;  // for whoever tests it
  latentlab.ready = start();
  return () => {
    model.off("change:_rows", take);
    sizes.disconnect();
    themes.disconnect();
    host.remove();
  };
}
