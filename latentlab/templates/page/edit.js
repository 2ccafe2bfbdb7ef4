// What `latentlab view` adds: clusters are named, merged, split, dropped, accepted and rejected, images moved, marked and tagged.
// The server keeps every change before it answers, and answers with the clusters as they now are. Changes name the state that
// they were made on, so that none is made on clusters that another tab or viewer has changed in the meantime.
"use strict";
(() => {
const {store, panels, picture, keys, element, button, count, byId} = latentlab;
const undo = button("Undo", () => send("undo"), {id: "undo", disabled: true, title: "Ctrl+Z"});
const redo = button("Redo", () => send("redo"), {id: "redo", disabled: true, title: "Ctrl+Shift+Z"});
const notice = element("span", {id: "notice", class: "note", role: "status"});
byId("edit-tools").append(undo, " ", redo, " ", notice);

const UNANSWERED = "The viewer does not answer, so this change may not be kept; all before it are. Start latentlab view again and open its address.";
let madeOn = "", queue = Promise.resolve();

// One change after the other: each is made on the state that the one before it has led to.
function send(path, edit) { return queue = queue.then(() => change(path, edit)); }
async function change(path, edit) {
  if (!latentlab.states.takesEdits()) { notice.textContent = "Not done: the clusters are shown as computed."; return false; }
  try {
    const body = JSON.stringify({made_on: madeOn, edit: edit ?? null});
    const answer = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body});
    const found = await answer.json();
    if (answer.ok) await take(found);
    else if (answer.status === 409) sayStale(found.error);
    else notice.textContent = `Not done: ${found.error}`;
    return answer.ok;
  } catch { notice.textContent = UNANSWERED; return false; }
}
function sayStale(reason) {
  notice.replaceChildren(`Not done: ${reason} `, button("Reload", () => { queue = queue.then(reload); }, {id: "reload"}));
}
async function reload() {
  try {
    const answer = await fetch("state"), found = await answer.json();
    answer.ok ? await take(found) : notice.textContent = found.error;
  } catch { notice.textContent = UNANSWERED; }
}
async function take(found) {
  const kept = document.activeElement?.id;
  madeOn = found.version;
  [undo.disabled, redo.disabled] = [!found.edits, !found.undone];
  notice.textContent = found.edits ? `${count(found.edits)} ${found.edits === 1 ? "edit" : "edits"} saved; the last ${found.last}` : "no edits";
  await latentlab.states.take(found);
  if (kept) byId(kept)?.focus();
}

const idsOf = rows => Array.from(rows, row => store.ids[row]);
function clusterChoice(except, id) {
  const others = store.filled().filter(cluster => cluster.number !== except);
  return element("select", {"aria-label": "which cluster", id}, ...others.map(cluster => element("option", {value: cluster.number}, store.clusterName(cluster.number))));
}

// Tools of a cluster

function rename(number) {
  const name = byId("name-text").value.trim();
  if (name && name !== store.clusterName(number)) send("edit", {action: "name", cluster: number, name});
}
function judge(number, action) {
  const {status} = store.clusters[number], word = {accept: "accepted", reject: "rejected"}[action];
  if (status !== word) return send("edit", {action, clusters: [number]});
}
panels.hooks.cluster.push(number => {
  const cluster = store.clusters[number], other = clusterChoice(number, "merge-with");
  const name = element("input", {type: "text", maxlength: 80, size: 16, value: store.clusterName(number), "aria-label": "name of the cluster", id: "name-text",
    onkeydown: event => { if (event.key === "Enter") rename(number); }});
  const suggestion = cluster.suggested && cluster.suggested !== store.clusterName(number)
    && button(`Name it “${cluster.suggested}”`, () => send("edit", {action: "name", cluster: number, name: cluster.suggested}), {id: "take-suggestion"});
  const pressed = word => ({"aria-pressed": String(cluster.status === word)});
  return element("div", {class: "row cluster-tools"},
    name, button("Name", () => rename(number), {id: "name", title: "E"}), suggestion,
    button("Accept", () => judge(number, "accept"), {id: "accept", title: "Y", ...pressed("accepted")}),
    button("Reject", () => judge(number, "reject"), {id: "reject", title: "N", ...pressed("rejected")}),
    other.options.length ? button("Merge with", () => send("edit", {action: "merge", clusters: [number, Number(byId("merge-with").value)]}), {id: "merge"}) : null,
    other.options.length ? other : null,
    button("Drop", () => send("edit", {action: "drop", clusters: [number]}), {id: "drop", title: "leave these images out of every cluster"}));
});

// Tools of images

function marking(rows) {
  const text = element("input", {type: "text", maxlength: 80, size: 9, placeholder: "mark or tag", "aria-label": "mark or tag", id: "mark-text"});
  return [text,
    button("Mark", () => send("edit", {action: "mark", images: idsOf(rows()), mark: text.value}), {id: "mark", title: "K; an image has one mark, none takes it away"}),
    button("Tag", () => text.value && send("edit", {action: "tag", images: idsOf(rows()), tag: text.value}), {id: "tag", title: "T; an image may have several tags"})];
}
function moving(rows) {
  const target = clusterChoice(-1, "move-to");
  return [button("Move to", () => send("edit", {action: "move", images: idsOf(rows()), cluster: Number(target.value)}), {id: "move"}), target];
}
panels.hooks.selection.push(rows => element("span", {class: "row"},
  button("Make a cluster", () => send("edit", {action: "split", images: idsOf(rows())}), {id: "split"}), ...moving(rows), ...marking(rows)));
picture.hooks.push(row => element("div", {class: "row"}, ...moving(() => [row]), ...marking(() => [row])));

// Keys

function openCluster(run) {
  return () => store.scope.kind === "cluster" && store.image === null ? run(store.scope.number) : false;
}
async function judgeAndGoOn(number, action) {
  await judge(number, action);
  panels.stepCluster(1);
}
function moveTo(name) {
  const cluster = store.filled()[Number(name.slice(-1)) - 1], row = keys.current();
  const rows = latentlab.grid.picked.size || row === null ? panels.selected() : [row];
  if (!cluster || !rows) return false;
  send("edit", {action: "move", images: idsOf(rows), cluster: cluster.number});
}
keys.add(["Ctrl+z"], "undo", () => { send("undo"); });
keys.add(["Ctrl+Z", "Ctrl+y"], "redo", () => { send("redo"); });
keys.add("e", "name the open cluster", openCluster(() => { byId("name-text").focus(); byId("name-text").select(); }));
keys.add("y", "accept the open cluster and go on to the next", openCluster(number => { judgeAndGoOn(number, "accept"); }));
keys.add("n", "reject the open cluster and go on to the next", openCluster(number => { judgeAndGoOn(number, "reject"); }));
keys.add([..."123456789"].map(digit => `Shift+${digit}`), "move the picked images, or the open one, to a cluster", moveTo);
keys.add(["k", "t"], "mark or tag the picked images, or the open one", () => {
  if (byId("actions").hidden && store.image === null) {
    const row = keys.current();
    if (row === null) return false;
    latentlab.grid.toggle(row);
  }
  const field = document.querySelector(store.image === null ? "#actions #mark-text" : "#picture #mark-text");
  field?.focus();
});

latentlab.edit = send;
latentlab.changedState = state => { for (const tool of [undo, redo]) tool.hidden = state === "computed"; };
latentlab.afterStart = async () => {
  const answer = await fetch("state"), found = await answer.json();
  if (!answer.ok) { notice.textContent = found.error; return; }
  madeOn = found.version;
  if (found.edits || found.undone) await take(found);
};
})();
