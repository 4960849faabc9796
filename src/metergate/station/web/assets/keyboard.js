import { toggleHere } from "./pick.js";

// "/" searches; j and k walk rows, Enter opens, x selects; left and right step the date of a chart.
const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

function rows() {
  return [...document.querySelectorAll("[data-rows] tbody tr, ul[data-rows] > li")];
}

function walk(step) {
  const all = rows();
  if (!all.length) return;
  const here = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.max(0, Math.min(all.length - 1, here + step))] ?? all[0];
  all[here]?.classList.remove("at");
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a")?.focus();
}

const keys = {
  "/": () => document.getElementById("q")?.focus(),
  j: () => walk(1),
  k: () => walk(-1),
  x: toggleHere,
  ArrowLeft: () => document.querySelector(".stepper [rel=prev]")?.click(),
  ArrowRight: () => document.querySelector(".stepper [rel=next]")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const act = keys[event.key];
  if (!act || (event.key.startsWith("Arrow") && !document.querySelector(".stepper"))) return;
  event.preventDefault();
  act();
});
