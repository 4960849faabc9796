// Live values and parts: asked for every 2 s, replaced only where they changed, without moving page or focus.
const EVERY = 2000;
const lost = document.querySelector("[data-lost]");
const tags = new WeakMap();
const aged = { s: 60, min: 3600, h: 172800 };
let since = "";

function ago(seconds) {
  if (seconds < aged.s) return `${seconds} s ago`;
  if (seconds < aged.min) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < aged.h) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

async function refreshPart(part) {
  if (part.dataset.paused !== undefined) return;
  const headers = tags.has(part) ? { "If-None-Match": tags.get(part) } : {};
  const answer = await fetch(part.dataset.part, { headers, cache: "no-store" });
  if (answer.redirected) return location.reload();
  if (answer.status !== 200) return;
  tags.set(part, answer.headers.get("ETag"));
  const fresh = document.createElement("template");
  fresh.innerHTML = await answer.text();
  settleChildren(part, fresh.content);
  ages();
  if (part.matches(".alarm-lamp")) part.classList.toggle("lit", part.querySelector("b")?.textContent !== "0");
}

// Makes what is shown like what came, touching only what differs: focus, place and selection stay where they are.
function settle(shown, fresh) {
  if (shown.isEqualNode(fresh)) return;
  if (shown.nodeName !== fresh.nodeName) return shown.replaceWith(fresh);
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    shown.data = fresh.data;
    return;
  }
  for (const { name } of [...shown.attributes]) if (!fresh.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  settleChildren(shown, fresh);
}

function settleChildren(shown, fresh) {
  const [before, after] = [[...shown.childNodes], [...fresh.childNodes]];
  after.forEach((node, place) => (before[place] ? settle(before[place], node) : shown.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
}

async function refreshValues() {
  const shown = [...document.querySelectorAll("[data-live]")];
  if (!shown.length) return;
  const ids = [...new Set(shown.map((each) => each.dataset.live))].join(",");
  const answer = await fetch(`/data/live?ids=${ids}&since=${since}`, { cache: "no-store" });
  if (!answer.ok || answer.redirected) return;
  const { now, changed } = await answer.json();
  const first = since === "";
  since = now;
  for (const each of shown) {
    const value = changed[each.dataset.live];
    if (value) write(each, value, first);
  }
}

function write(place, value, first) {
  const number = place.querySelector(".num");
  const before = number.firstChild?.textContent;
  number.firstChild.textContent = value.text;
  place.dataset.at = value.at;
  place.dataset.period = value.period;
  if (!first && before !== value.text) {
    place.classList.remove("fresh-now");
    void place.offsetWidth;
    place.classList.add("fresh-now");
  }
}

function ages() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = ago(Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000)));
  }
  for (const place of document.querySelectorAll("[data-live][data-at]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(place.dataset.at)) / 1000));
    const period = Number(place.dataset.period);
    const state = seconds <= period ? "live" : seconds <= 2 * period ? "aged" : "stale";
    place.classList.toggle("stale", state === "stale");
    place.querySelector(".age").textContent = state === "live" ? "" : ago(seconds);
  }
}

async function turn() {
  if (document.visibilityState === "visible") {
    const work = [refreshValues(), ...[...document.querySelectorAll("[data-part]")].map(refreshPart)];
    const results = await Promise.allSettled(work);
    if (lost) lost.hidden = !results.some((result) => result.status === "rejected");
  }
  setTimeout(turn, EVERY);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pause]");
  if (!button) return;
  const part = document.querySelector(button.dataset.pause);
  const paused = part.toggleAttribute("data-paused");
  button.setAttribute("aria-pressed", String(paused));
});

setTimeout(turn, EVERY);
setInterval(ages, 1000);
