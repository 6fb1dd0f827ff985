// Explorer of the committed records: one point a configuration, placed by any two quantities, with its command.
"use strict";

(() => {
  const { quantities, points, skipped } = LabData.points;
  const ALL = "all";
  const ALWAYS = ["validation Spearman", "test Spearman"]; // said of the marked point, whatever the axes
  const form = document.getElementById("settings");
  const table = document.getElementById("table");
  const byName = new Map(points.map((point) => [point.name, point]));
  const distinct = (key) => [ALL, ...new Set(points.map((point) => point[key]))];
  let shown = [];
  let page = null;

  if (!points.length) {
    document.getElementById("message").textContent = skipped.join(" ");
    return;
  }

  function filtered({ family, arm, x, y, from, to }) {
    return points.filter((point) => (family === ALL || point.family === family) && (arm === ALL || point.arm === arm)
      && point.parameters >= from && point.parameters <= to && point.values[x] && point.values[y]);
  }

  // The list of points follows the filter; where the marked one is gone, the best on validation is marked.
  function fit(settings) {
    const found = filtered(settings);
    if (!found.length) {
      return { note: "No record has both quantities within this filter. Widen the parameters, or choose another folder, kind or axis." };
    }
    if (!found.some((point) => point.name === settings.point)) {
      const score = (point) => (point.values["validation Spearman"] || [-Infinity])[0];
      settings.point = found.reduce((a, b) => (score(b) > score(a) ? b : a)).name;
    }
    Lab.offer("point", found.map((point) => point.name), settings.point);
    return {};
  }

  function interval(point, name) {
    const [value, low, high] = point.values[name];
    if (low === null || !(high > low)) return Lab.text(value);
    const kind = point.seeds > 1 ? `t interval over ${point.seeds} seeds` : "over pairs";
    return `${Lab.text(value)} (${Lab.text(low)} to ${Lab.text(high)}, 95 % ${kind})`;
  }

  // How far points of one x are moved so that they do not cover each other, by name: a share of the axis.
  function sideBySide(x) {
    const groups = new Map();
    for (const point of shown) groups.set(point.values[x][0], [...(groups.get(point.values[x][0]) || []), point]);
    const moved = new Map();
    for (const group of groups.values()) {
      group.forEach((point, i) => moved.set(point.name, Math.min(0.015, 0.2 / group.length) * (i - (group.length - 1) / 2)));
    }
    return moved;
  }

  function drawPoints({ x, y, point: marked }) {
    const places = shown.map((point) => point.values[x][0]);
    const [log, low, high] = [quantities[x].log, Math.min(...places), Math.max(...places)];
    const moved = sideBySide(x);
    const shift = (value, point) => {
      const share = moved.get(point.name);
      return log ? value * (high / low || 1) ** share : value + (high - low) * share;
    };
    const across = (end) => (point) => shift(point.values[x][end], point);
    const at = (name, end) => (name === x && x !== y ? across(end) : (point) => point.values[name][end]);
    const kind = (name) => (quantities[name].log ? { type: "log", tickFormat: "~s" } : { type: "linear" });
    const scale = (name) => ({ label: quantities[name].label, ...kind(name), ticks: 6, inset: 14 });
    const barred = (name) => shown.filter((point) => point.values[name][1] !== null && point.values[name][2] !== null);
    const look = { symbol: (point) => point.symbol, stroke: "colour", r: 4.5, strokeWidth: 1.5 };
    const chart = Lab.plot("points", `${Lab.plural(shown.length, "point")}: ${quantities[y].label} against ${quantities[x].label}; the table below has their numbers`, {
      height: 420,
      grid: true,
      x: scale(x),
      y: scale(y),
      symbol: { type: "identity" },
      marks: [
        Plot.ruleX(barred(y), { x: at(x, 0), y1: at(y, 1), y2: at(y, 2), stroke: "colour" }),
        Plot.ruleY(barred(x), { y: at(y, 0), x1: at(x, 1), x2: at(x, 2), stroke: "colour" }),
        Plot.dot(shown, { x: at(x, 0), y: at(y, 0), ...look, fill: (point) => (point.seeds > 1 ? point.colour : "white") }),
        Plot.dot(shown.filter((point) => point.name === marked), { x: at(x, 0), y: at(y, 0), r: 10, stroke: "black", strokeWidth: 1.5 }),
        Plot.tip(shown, Plot.pointer({
          x: at(x, 0), y: at(y, 0), lineWidth: 26,
          title: (point) => `${point.name}\n${y}: ${interval(point, y)}\n${x}: ${interval(point, x)}`,
        })),
      ],
    });
    let under = null;
    chart.addEventListener("input", () => (under = chart.value));
    chart.addEventListener("click", () => under && page.set({ point: under.name }));
  }

  function drawLegend() {
    const series = new Map(shown.map((point) => [point.series, point]));
    const mark = ({ symbol, colour }) => Plot.plot({
      width: 14, height: 14, margin: 0, symbol: { type: "identity" }, x: { axis: null, domain: [0, 1] }, y: { axis: null, domain: [0, 1] },
      marks: [Plot.dot([0.5], { x: [0.5], y: [0.5], symbol: [symbol], fill: colour, stroke: colour, r: 4 })],
    });
    document.getElementById("legend").replaceChildren(...[...series].sort().map(([name, point]) => {
      const entry = document.createElement("span");
      const symbol = mark(point);
      symbol.setAttribute("aria-hidden", "true");
      entry.append(symbol, name);
      return entry;
    }));
  }

  function fillTable({ x, y }) {
    if (!table.open) return;
    const ordered = [...shown].sort((a, b) => b.values[y][0] - a.values[y][0]);
    const head = ["configuration", quantities[y].label, quantities[x].label, "seeds"];
    table.lastElementChild.replaceChildren(
      Lab.table(head, ordered.map((point) => [point.name, interval(point, y), interval(point, x), point.seeds])),
    );
  }

  function draw(settings) {
    const found = filtered(settings);
    if (!found.length) return; // the last picture stays below the message
    shown = found;
    const point = byName.get(settings.point);
    drawPoints(settings);
    drawLegend();
    fillTable(settings);
    const told = [...new Set([settings.y, settings.x, ...ALWAYS])].filter((name) => point.values[name]);
    const toys = new Set(shown.map((other) => other.toy));
    Lab.say([
      ...(toys.size > 1 ? ["Runs of the toy language and of English are shown together; their scores do not compare."] : []),
      `Marked: ${point.name}.`,
      ...told.map((name) => `${name}: ${interval(point, name)}`),
      point.command,
      ...(point.folder ? ["Before the command, set FOURIER_LAB_DATA to the folder of the corpora ('fourier-lab data fetch')."] : []),
      ...skipped,
    ]);
  }

  const largest = Math.max(...points.map((point) => point.parameters));
  Lab.offer("family", distinct("family"), "snli_mnli");
  Lab.offer("arm", distinct("arm"));
  Lab.offer("x", Object.keys(quantities), "parameters");
  Lab.offer("y", Object.keys(quantities), "test Spearman");
  Lab.offer("point", points.map((point) => point.name));
  for (const name of ["from", "to"]) form.elements[name].max = largest;
  form.elements.to.value = form.elements.to.defaultValue = largest;
  page = Lab.explore({ fit, draw });
  table.addEventListener("toggle", () => page.redraw());
})();
