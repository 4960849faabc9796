// Theme, rail and clock; choices are cookies, so that the server draws the page right at once.
const root = document.documentElement;

function keep(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
}

function isDark() {
  const theme = root.dataset.theme;
  return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  keep("theme", root.dataset.theme);
  document.dispatchEvent(new Event("theme"));
});

document.querySelector("[data-rail-toggle]")?.addEventListener("click", () => {
  keep("rail", document.body.classList.toggle("narrow") ? "narrow" : "wide");
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

document.addEventListener("htmx:afterRequest", (event) => {
  const cell = event.detail.elt;
  if (!cell.matches?.(".cell")) return;
  document.querySelectorAll(".cell.open").forEach((other) => other.classList.remove("open"));
  cell.classList.add("open");
});

const clock = document.querySelector("[data-clock]");
if (clock) {
  const zone = clock.dataset.zone || undefined;
  const form = new Intl.DateTimeFormat(clock.dataset.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone, hourCycle: "h23", timeZoneName: "short" });
  const tick = () => {
    const parts = form.formatToParts(new Date());
    const pick = (kind) => parts.find((part) => part.type === kind)?.value;
    clock.firstChild.textContent = `${pick("hour")}:${pick("minute")}:${pick("second")} `;
    clock.querySelector("small").textContent = pick("timeZoneName");
  };
  tick();
  setInterval(tick, 1000);
}
