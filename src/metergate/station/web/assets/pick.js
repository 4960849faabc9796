// Selecting rows: ticks, a range with shift, all of the page; how many are selected is said.
const boxes = () => [...document.querySelectorAll('input[name="pick"]')];
const form = document.getElementById("picked");
let last = null;

function tell() {
  const every = form.querySelector("[data-all]");
  const count = boxes().filter((box) => box.checked).length;
  form.querySelector("[data-picked]").textContent = count;
  const head = document.querySelector("[data-pick-all]");
  head.checked = count > 0 && count === boxes().length;
  head.indeterminate = count > 0 && !head.checked;
  for (const box of boxes()) box.closest("tr").classList.toggle("chosen", box.checked || every.checked);
}

function range(from, to) {
  const all = boxes();
  const [low, high] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
  for (const box of all.slice(low, high + 1)) box.checked = to.checked;
}

export function toggleHere() {
  const box = document.querySelector("tr.at input[name=pick]");
  if (!box) return;
  box.checked = !box.checked;
  last = box;
  tell();
}

if (form) {
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!box.matches('input[name="pick"], [data-pick-all], [data-all]')) return;
    if (box.matches("[data-pick-all]")) for (const each of boxes()) each.checked = box.checked;
    if (box.name === "pick") {
      if (event.shiftKey && last) range(last, box);
      last = box;
    }
    tell();
  });
  tell();
}
