// Search, filters and order of the images.
"use strict";
(() => {
const {store, element, button, count, byId} = latentlab;
const MANY = 60;  // categories that a filter lists

// Search

let typing = 0;
function typed() {
  clearTimeout(typing);
  typing = setTimeout(search, store.n > 100000 ? 300 : 100);
}
function search() {
  clearTimeout(typing);
  const query = byId("search").value.trim();
  if (byId("search-by").value === "words") return;
  if (query !== store.query) { store.set({query, image: null}); latentlab.go.changed(); }
}
async function searchWords() {
  const query = byId("search").value.trim();
  if (!query) return;
  try {
    const found = await (await store.ask(`words?q=${encodeURIComponent(query)}`)).json();
    const rows = found.positions.map(store.rowAt).filter(row => row !== undefined);
    latentlab.go.rows(rows, `like the words “${query}”`, "like");
  } catch { byId("found").textContent = "The viewer could not search by words."; }
}
function searchKey(event) {
  if (event.key === "Escape") byId("search").value = "", search();
  else if (event.key === "ArrowDown") latentlab.grid.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
function submitted(event) {
  event.preventDefault();
  if (byId("search-by").value === "words") return void searchWords();
  search();
  if (store.query && store.rows.length === 1) latentlab.go.image(store.rows[0]);
  else if (store.rows.length) latentlab.grid.focus();
}

// Order

function fillSort() {
  const usual = {cluster: "typical first", like: "most alike first"}[store.scope.kind] ?? "as in the data";
  const options = [["", usual], ["name", "name"], ...Object.keys(store.groups).map(name => [name, name])];
  byId("sort").replaceChildren(...options.map(([value, text]) => element("option", {value, selected: value === store.sort.name}, text)));
  const {descending} = store.sort;
  byId("direction").textContent = descending ? "↓" : "↑";
  byId("direction").setAttribute("aria-label", descending ? "Largest first; press for smallest first" : "Smallest first; press for largest first");
  byId("direction").title = byId("direction").getAttribute("aria-label");
  byId("direction").disabled = !store.sort.name;
}
function setSort(changes) {
  store.set({sort: {...store.sort, ...changes}});
  fillSort();
}

// Filters

function fillFilters() {
  const parts = Object.entries(store.groups).map(([name, group]) => group.kind === "numbers" ? numberFilter(name, group) : categoryFilter(name, group));
  byId("filters").replaceChildren(...parts.filter(Boolean));
}
function numberFilter(name, group) {
  const [low, high] = extremes(group.values);
  if (low >= high) return null;
  const step = group.integer ? 1 : "any", filter = store.filters.get(name);
  const field = (side, value) => element("input", {type: "number", step, size: 7, value: value === undefined || !Number.isFinite(value) ? "" : String(value),
    placeholder: shortNumber(side === "from" ? low : high), "aria-label": `${name} ${side}`, onchange: event => setRange(event.target.closest("fieldset"), name)});
  return element("fieldset", {}, element("legend", {}, name), field("from", filter?.low), " to ", field("to", filter?.high));
}
const shortNumber = value => String(Number(value.toPrecision(3)));
function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  return [low, high];
}
function setRange(part, name) {
  const [low, high] = [...part.querySelectorAll("input")].map(input => input.value === "" ? null : Number(input.value));
  if (low === null && high === null) store.filters.delete(name);
  else store.filters.set(name, {low: low ?? -Infinity, high: high ?? Infinity});
  filtered();
}
function categoryFilter(name, group) {
  const categories = [...group.names.keys(), -1].filter(category => store.rowsOf(name, category).length);
  if (categories.length < 2) return null;
  const off = store.filters.get(name)?.off ?? new Set();
  const box = category => element("label", {}, element("input", {type: "checkbox", checked: !off.has(category), value: category,
    onchange: () => toggle(name, category)}), category < 0 ? group.missing : group.names[category]);
  return element("fieldset", {}, element("legend", {}, name),
    button("all", () => { store.filters.delete(name); filtered(); fillFilters(); }, {"aria-label": `all of ${name}`}),
    button("none", () => { store.filters.set(name, {off: new Set(categories)}); filtered(); fillFilters(); }, {"aria-label": `none of ${name}`}),
    element("div", {class: "choices"}, ...categories.slice(0, MANY).map(box)));
}
function toggle(name, category) {
  if (!store.filters.get(name)?.off) store.filters.set(name, {off: new Set()});
  const {off} = store.filters.get(name);
  off.has(category) ? off.delete(category) : off.add(category);
  filtered();
}
function filtered() {
  store.set({});
  latentlab.go.changed();
}
function clearFilters() {
  store.filters.clear();
  byId("search").value = "";
  store.set({query: ""});
  latentlab.go.changed();
  fillFilters();
}

// What is filtered, in words, each to be taken away.
function fillChips() {
  const chips = store.activeFilters().map(([name, filter]) => chip(filterText(name, filter), () => { store.filters.delete(name); filtered(); fillFilters(); }));
  if (store.query) chips.unshift(chip(`“${store.query}”`, () => { byId("search").value = ""; search(); }));
  if (chips.length > 1) chips.push(button("Clear all", clearFilters));
  byId("chips").replaceChildren(...chips);
  byId("chips").hidden = !chips.length;
}
function chip(text, onclick) { return element("span", {class: "chip"}, text, button("×", onclick, {"aria-label": `take away the filter ${text}`})); }
function filterText(name, filter) {
  if (!filter.off) return `${name} ${filter.low > -Infinity ? `from ${shortNumber(filter.low)}` : ""} ${filter.high < Infinity ? `to ${shortNumber(filter.high)}` : ""}`.replace(/\s+/g, " ").trim();
  const group = store.groups[name], names = [...filter.off].map(one => one < 0 ? group.missing : group.names[one]);
  const on = group.names.filter((_, i) => !filter.off.has(i) && store.rowsOf(name, i).length);
  if (on.length && on.length <= names.length && on.length < 4) return `${name}: ${on.join(", ")}`;
  return `${name}: not ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${count(names.length - 3)} more` : ""}`;
}

function start() {
  byId("search").oninput = typed;
  byId("search").onkeydown = searchKey;
  byId("find").onsubmit = submitted;
  byId("search-by").hidden = !store.data.words;
  byId("search-by").onchange = () => { byId("search").placeholder = byId("search-by").value === "words" ? "what is to be seen" : "name, label, …"; };
  byId("sort").onchange = () => setSort({name: byId("sort").value});
  byId("direction").onclick = () => setSort({descending: !store.sort.descending});
  byId("filter").addEventListener("toggle", () => { if (byId("filter").open) fillFilters(); });
  fillSort();
}

latentlab.find = {start, fillSort, fillChips, toggle, clearFilters, search, isFiltered: () => Boolean(store.query || store.activeFilters().length)};
})();
