// What frames a page: its tabs, and light and dark.
"use strict";
(() => {
const {byId} = latentlab;

// Shows a part of the page; the browser of images where there is no such part.
function showTab(name) {
  if (!byId(name)?.matches("main > section")) name = "browse";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    link.getAttribute("href") === `#${name}` ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  document.body.classList.toggle("browses", name === "browse");
}

// Light or dark, as it was chosen the last time; `changed` is called after every change.
function startTheme(changed) {
  const choice = byId("theme");
  const apply = () => {
    choice.value === "auto" ? delete document.documentElement.dataset.theme : document.documentElement.dataset.theme = choice.value;
    latentlab.remember("latentlab-theme", choice.value);
    changed();
  };
  choice.value = latentlab.remembered("latentlab-theme") ?? "auto";
  choice.onchange = apply;
  apply();
}

latentlab.frame = {showTab, startTheme};
})();
