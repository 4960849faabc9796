// The telegram workbench: a field lights its bytes, a byte lights its innermost field.
const bytes = [...document.querySelectorAll("[data-hex] [data-at]")];
const spans = [...document.querySelectorAll("[data-spans] [data-from]")];

function light(from, to, row) {
  for (const byte of bytes) {
    const at = Number(byte.dataset.at);
    byte.classList.toggle("lit", at >= from && at < to);
  }
  for (const span of spans) span.classList.toggle("lit", span === row);
}

function reveal(element) {
  const box = element?.closest(".scroll");
  if (!box) return;
  const top = element.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 24) box.scrollTop = top - box.clientHeight / 2;
}

for (const span of spans) {
  const show = () => {
    light(Number(span.dataset.from), Number(span.dataset.to), span);
    reveal(bytes[Number(span.dataset.from)]);
  };
  span.addEventListener("mouseenter", show);
  span.addEventListener("focus", show);
}

for (const byte of bytes) {
  byte.addEventListener("mouseenter", () => {
    const at = Number(byte.dataset.at);
    const size = (span) => Number(span.dataset.to) - Number(span.dataset.from);
    const around = spans.filter((span) => Number(span.dataset.from) <= at && at < Number(span.dataset.to));
    const inner = around.reduce((best, span) => (!best || size(span) <= size(best) ? span : best), null);
    if (!inner) return;
    light(Number(inner.dataset.from), Number(inner.dataset.to), inner);
    reveal(inner);
  });
}
