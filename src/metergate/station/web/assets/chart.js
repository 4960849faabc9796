// The load profile: bars of energy from zero, power as a line, gaps as hatched bands, the period before as a grey line.
import uPlot from "uplot";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function hatch(context, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(0, 8);
  pen.lineTo(8, 0);
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.place = figure.querySelector(".plot");
    this.readout = figure.querySelector("[data-readout]");
    this.compare = false;
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.place);
    document.addEventListener("theme", () => this.draw());
    const card = figure.closest(".chart-card");
    card.querySelector("[data-png]")?.addEventListener("click", () => this.save());
    card.querySelector("[data-compare]")?.addEventListener("click", (event) => {
      this.compare = !this.compare;
      event.currentTarget.setAttribute("aria-pressed", String(this.compare));
      this.load();
    });
  }

  size() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }

  async load() {
    const answer = await fetch(this.figure.dataset.chart + (this.compare ? "&compare=1" : ""));
    if (!answer.ok) return;
    this.data = await answer.json();
    this.draw();
  }

  draw() {
    if (!this.data) return;
    this.plot?.destroy();
    this.place.replaceChildren();
    this.plot = new uPlot(this.options(), this.columns(), this.place);
  }

  columns() {
    const { x, y, before } = this.data;
    const starts = x.slice(0, -1);
    const energy = [starts, y];
    if (before) energy.push(starts.map((_, place) => before[place] ?? null));
    return energy;
  }

  options() {
    const { x, unit, zone } = this.data;
    const colour = getComputedStyle(this.figure).color;
    const muted = css("--muted");
    const grid = { stroke: css("--line"), width: 1 };
    const axis = { stroke: muted, grid, ticks: grid, font: "12px system-ui", labelFont: "12px system-ui" };
    const series = [{}, { label: unit, stroke: colour, fill: colour, width: 0, paths: this.bars(), points: { show: false } }];
    if (this.data.before) series.push({ label: this.figure.dataset.compareWords, stroke: css("--line-strong"), width: 1, points: { show: false } });
    return {
      ...this.size(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      scales: { x: { time: true, range: () => this.zoom ?? [x[0], x[x.length - 1]] }, y: { range: (_, __, most) => [0, (most || 1) * 1.08] } },
      axes: [{ ...axis, size: 32, grid: { show: false }, values: this.days() }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString()), label: unit, labelSize: 16, labelGap: 0 }],
      series,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      hooks: { drawClear: [(plot) => this.bands(plot)], draw: [(plot) => this.marks(plot)], setCursor: [(plot) => this.tell(plot)], setSelect: [(plot) => this.zoomTo(plot)], ready: [(plot) => plot.over.addEventListener("dblclick", () => this.zoomOut(plot))] },
    };
  }

  days() {
    const { span, zone } = this.data;
    const forms = { day: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, week: { weekday: "short", day: "numeric" }, month: { day: "numeric", month: "short" }, year: { month: "short" } };
    const form = new Intl.DateTimeFormat(document.documentElement.lang, { ...forms[span], timeZone: zone });
    let last = "";
    return (_, ticks) => ticks.map((tick) => {
      const text = form.format(new Date(tick * 1000));
      const fresh = text !== last;
      last = text;
      return fresh ? text : "";
    });
  }

  bars() {
    return uPlot.paths.bars({ size: [0.82, Infinity], align: 1, gap: 0 });
  }

  bands(plot) {
    const { x, q, now } = this.data;
    const pen = plot.ctx;
    pen.save();
    pen.fillStyle = hatch(pen, css("--line-strong"));
    pen.globalAlpha = 0.5;
    q.forEach((quality, place) => {
      if (quality > 1 || x[place + 1] > now) return;
      const left = plot.valToPos(x[place], "x", true);
      const right = plot.valToPos(x[place + 1], "x", true);
      pen.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
    });
    pen.restore();
  }

  marks(plot) {
    const { x, y, q } = this.data;
    const pen = plot.ctx;
    pen.save();
    pen.beginPath();
    pen.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    pen.clip();
    pen.fillStyle = hatch(pen, css("--panel"));
    q.forEach((quality, place) => {
      if (quality !== 3 && quality !== 2) return;
      const left = plot.valToPos(x[place], "x", true);
      const right = plot.valToPos(x[place + 1], "x", true);
      const top = plot.valToPos(y[place] ?? 0, "y", true);
      pen.fillRect(left, top, right - left, plot.bbox.top + plot.bbox.height - top);
    });
    this.line(plot, pen);
    pen.restore();
  }

  line(plot, pen) {
    const power = this.data.power;
    if (!power) return;
    const most = Math.max(1, ...power.y.filter((value) => value !== null)) * 1.08;
    pen.strokeStyle = css("--text");
    pen.globalAlpha = 0.55;
    pen.lineWidth = devicePixelRatio;
    pen.beginPath();
    let down = false;
    power.x.forEach((at, place) => {
      const value = power.y[place];
      const left = plot.valToPos(at, "x", true);
      const top = plot.bbox.top + plot.bbox.height * (1 - (value ?? 0) / most);
      if (value === null) down = false;
      else if (down) pen.lineTo(left, top);
      else pen.moveTo(left, top);
      if (value !== null) down = true;
    });
    pen.stroke();
  }

  tell(plot) {
    const place = plot.cursor.idx;
    const { x, y, q, unit, zone } = this.data;
    if (place === null || place === undefined || place >= y.length) {
      this.readout.textContent = "";
      return;
    }
    const form = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short", timeZone: zone, hourCycle: "h23" });
    const value = y[place] === null ? this.figure.dataset.gapWords : `${y[place].toLocaleString(undefined, { maximumFractionDigits: 3 })} ${unit}`;
    this.readout.textContent = `${form.format(new Date(x[place] * 1000))}  ${q[place] === 3 ? "~ " : ""}${value}`;
  }

  zoomTo(plot) {
    if (plot.select.width < 8) return;
    this.zoom = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    plot.redraw(true, true);
    plot.setScale("x", { min: this.zoom[0], max: this.zoom[1] });
  }

  zoomOut(plot) {
    this.zoom = null;
    const { x } = this.data;
    plot.setScale("x", { min: x[0], max: x[x.length - 1] });
  }

  save() {
    const link = document.createElement("a");
    link.download = `${document.title}.png`;
    link.href = this.plot.ctx.canvas.toDataURL("image/png");
    link.click();
  }
}

for (const figure of document.querySelectorAll("[data-chart]")) new Chart(figure).load();
