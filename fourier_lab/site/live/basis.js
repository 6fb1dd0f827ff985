// Explorer of T(p): the waves that an id is read from, two rows, the kernel between them, and cells over a text.
"use strict";

Lab.explore(
  (() => {
    const { drawn, words } = LabData;
    const [HARMONIC, LOG] = ["harmonic", "log"];
    const WAVES = 5; // as many as the eye can follow
    const [POINTS, CYCLES] = [300, 12]; // of a curve
    const COLOURS = { [HARMONIC]: "#0072B2", [LOG]: "#009E73", random: "#CC79A7", mixed: "#000000" };
    let seen = {}; // what the cells were last drawn for, and what they are

    const nearest = (values, wanted) => values.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));

    function fit(settings) {
      const ranges = { p: { max: settings.V - 1 }, q: { max: settings.V - 1 } };
      if (settings.set === HARMONIC) return { ranges };
      if (settings.set === LOG) {
        const widest = 2 * Math.floor((periodOf(settings) - 1) / 2);
        if (settings.d <= widest || widest < 2) return { ranges };
        const asked = settings.d;
        settings.d = widest;
        return { ranges, note: `The log set needs d / 2 different frequencies below half the period: d is ${widest} instead of ${asked}.` };
      }
      const asked = { ...settings };
      settings.M = 0;
      settings.V = nearest(drawn.V, settings.V);
      settings.d = nearest(drawn.d.filter((d) => d < settings.V), settings.d);
      for (const name of ["p", "q"]) ranges[name].max = settings.V - 1;
      const moved = ["V", "d", "M"].filter((name) => asked[name] !== settings[name]);
      if (!moved.length) return { ranges };
      const list = (values) => values.map((value) => Lab.commas.format(value)).join(", ");
      return {
        ranges,
        note: `The ${settings.set} set is drawn by the library, here for V of ${list(drawn.V)}, d of ${list(drawn.d)} and period V - 1: `
          + `the nearest is shown. Choose the harmonic set for other sizes.`,
      };
    }

    const periodOf = ({ V, M }) => M || V - 1;

    function frequenciesOf(settings) {
      const { V, d, set, seed } = settings;
      if (set === HARMONIC) return Maths.harmonic(d / 2);
      if (set === LOG) return Maths.logarithmic(periodOf(settings), d / 2);
      return drawn[set][`${V},${d},${seed}`];
    }

    const named = (id, V) => (words.length === V ? `${Lab.commas.format(id)} “${words[id]}”` : Lab.commas.format(id));

    // Up to `most` whole numbers from low to high, evenly or geometrically.
    function spread(low, high, { most = POINTS, geometric = false } = {}) {
      const n = Math.min(most, high - low + 1);
      const at = (t) => (geometric ? low * (high / low) ** t : low + (high - low) * t);
      return [...new Set(Array.from({ length: n }, (_, i) => Math.round(at(n > 1 ? i / (n - 1) : 0))))];
    }

    // Around p, so few ids that the fastest of the waves can be followed.
    function drawWaves(settings, frequencies, period) {
      const { V, p, set } = settings;
      const lowest = [...frequencies].sort((a, b) => a - b).slice(0, WAVES);
      const span = Math.min(V - 1, (CYCLES * period) / lowest[lowest.length - 1]);
      const low = Math.max(0, Math.min(p - span / 2, V - 1 - span));
      // One below the other: a wave fills 0.8 of its line.
      const at = (id, k, line) => ({ k, id, line, value: Maths.row(id, [k], period)[0] });
      const over = (ids) => lowest.flatMap((k, line) => ids.map((id) => at(id, k, line)));
      const curves = over(Array.from({ length: POINTS }, (_, i) => low + (span * i) / (POINTS - 1)));
      const waves = over(spread(Math.ceil(low), Math.floor(low + span)));
      const y = (wave) => 0.4 * wave.value - wave.line;
      Lab.plot("waves", `The ${lowest.length} slowest sines near id ${named(p, V)}`, {
        height: 60 * lowest.length + 40,
        marginLeft: 64,
        x: { label: "token id p" },
        y: { label: null, ticks: lowest.map((_, line) => -line), tickSize: 0, tickFormat: (tick) => `k = ${Lab.commas.format(lowest[-tick])}` },
        marks: [
          Plot.line(curves, { x: "id", y, z: "k", stroke: "#888" }),
          Plot.ruleX([p], { stroke: COLOURS[set], strokeDasharray: "4 3" }),
          Plot.dot(lowest.map((k, line) => at(p, k, line)), { x: "id", y, r: 4, fill: COLOURS[set] }),
          Plot.tip(waves, Plot.pointer({ x: "id", y, title: (d) => `id ${named(d.id, V)}\nk = ${Lab.commas.format(d.k)}: ${d.value.toFixed(4)}` })),
        ],
      });
    }

    function drawRows(settings, first, second) {
      const { V, d, p, q } = settings;
      const ids = [q, p]; // from below
      const values = [...second, ...first];
      const cells = values.map((value, i) => ({ value, column: i % d, line: Math.floor(i / d) }));
      Lab.plot("rows", `Features of ids ${named(p, V)} and ${named(q, V)}, from -1 to 1`, {
        height: 130,
        marginLeft: 64,
        color: { type: "diverging", scheme: "RdBu", domain: [-1, 1] },
        x: { label: "column of T(p)", domain: [0, d] },
        y: { label: null, domain: [0, 2], ticks: [0.5, 1.5], tickSize: 0, tickFormat: (tick) => Lab.commas.format(ids[Math.floor(tick)]) },
        marks: [
          Plot.raster(values, { width: d, height: 2, x1: 0, y1: 0, x2: d, y2: 2, imageRendering: "pixelated" }),
          Plot.ruleY([1], { stroke: "white", strokeWidth: 4 }),
          Plot.tip(cells, Plot.pointer({
            x: (cell) => cell.column + 0.5,
            y: (cell) => cell.line + 0.5,
            title: (cell) => `id ${named(ids[cell.line], V)}\ncolumn ${cell.column}: ${cell.value.toFixed(4)}`,
          })),
        ],
      });
    }

    function drawKernel(settings, frequencies, period, cosine) {
      const { V, d, set, p, q } = settings;
      const [apart, cell] = [Math.abs(p - q), Math.max(1, Math.floor(V / d))];
      const reach = Math.max(1, Math.min(V - 1, 4 * Math.max(cell, apart), 4 * period));
      const tip = (data, value) => Plot.tip(data, Plot.pointerX({
        x: "lag", y: value,
        title: (e) => `${Lab.plural(e.lag, "id")} apart\ncosine ${e.cosine.toFixed(5)}\ndistance ${e.distance.toFixed(4)}`,
      }));
      const curve = (lags) => {
        const cosines = Maths.kernel(frequencies, period, lags);
        return lags.map((lag, i) => ({ lag, cosine: cosines[i], distance: Maths.distance(cosines[i]) }));
      };
      const most = Math.max(POINTS, Math.round((4 * reach * d) / V)); // four in a cell, or lobes would be lost
      const near = curve(spread(0, reach, { most }));
      const chosen = [{ lag: apart, cosine, distance: Maths.distance(cosine) }];
      const label = `of two ids against how far they are apart; ${Lab.plural(apart, "id")} apart it is`;
      Lab.plot("kernel", `Cosine ${label} ${cosine.toFixed(5)}`, {
        x: { label: "difference of the ids" },
        y: { label: "cosine", domain: [Math.min(-0.4, ...near.map((e) => e.cosine)), 1.03] },
        marks: [
          Plot.ruleY([0], { stroke: "#888" }),
          Plot.ruleX(V / d <= reach ? [V / d] : [], { stroke: "#888", strokeDasharray: "2 3" }),
          Plot.line(near, { x: "lag", y: "cosine", stroke: COLOURS[set] }),
          Plot.dot(chosen.filter((e) => e.lag <= reach), { x: "lag", y: "cosine", fill: "black", r: 4 }),
          tip(near, "cosine"),
        ],
      });
      const far = curve(spread(1, Math.max(2, reach), { geometric: true })).filter((e) => e.distance > 0);
      Lab.plot("distance", `Distance ${label} ${Maths.distance(cosine).toFixed(4)} of their norm`, {
        x: { label: "difference of the ids", type: "log", ticks: 5, tickFormat: "~s" },
        y: { label: "distance / norm", type: "log", ticks: 4, tickFormat: "~g" },
        marks: [
          Plot.ruleY([Math.SQRT2], { stroke: "#888", strokeDasharray: "4 3" }),
          Plot.line(far, { x: "lag", y: "distance", stroke: COLOURS[set] }),
          Plot.dot(chosen.filter((e) => e.distance > 0 && e.lag <= reach), { x: "lag", y: "distance", fill: "black", r: 4 }),
          tip(far, "distance"),
        ],
      });
      return { drawn: near.length, of: reach + 1 };
    }

    function drawCells(settings, period) {
      const { V, d, M, set } = settings;
      const key = [V, d, M, set, document.body.clientWidth].join();
      if (seen.key === key) return seen;
      const mass = Maths.zipf(V);
      const folded = M ? Maths.fold(mass, period) : mass;
      const cells = Maths.cells(folded, Math.min(d, folded.length));
      const effective = Maths.effectiveNumber(cells);
      let sum = 0;
      const filled = Array.from(cells, (share, i) => ({ cells: i + 1, mass: 100 * (sum += share) }));
      Lab.plot("cells", `${cells.length} cells serve like ${effective.toFixed(1)} equally full ones`, {
        x: { label: "cells, counted from id 0", type: "log", tickFormat: "~s", ticks: 5, domain: [1, Math.max(2, cells.length)] },
        y: { label: "tokens in these cells (%)", domain: [0, 103] },
        marks: [
          Plot.line(filled, { x: "cells", y: "mass", stroke: COLOURS[set] }),
          Plot.tip(filled, Plot.pointerX({ x: "cells", y: "mass", title: (e) => `${Lab.plural(e.cells, "cell")}: ${e.mass.toFixed(1)} %` })),
        ],
      });
      seen = { key, effective, n: cells.length, width: folded.length / cells.length };
      return seen;
    }

    function draw(settings) {
      const { V, d, set, p, q } = settings;
      const [period, frequencies] = [periodOf(settings), frequenciesOf(settings)];
      const [cosine] = Maths.kernel(frequencies, period, [p - q]);
      drawWaves(settings, frequencies, period);
      drawRows(settings, Maths.row(p, frequencies, period), Maths.row(q, frequencies, period));
      const lags = drawKernel(settings, frequencies, period, cosine);
      const cells = drawCells(settings, period);
      const repeat = Maths.rowPeriod(frequencies, period);
      const others = Math.floor((V - 1 - (p % repeat)) / repeat);
      Lab.say([
        `T(${named(p, V)}) and T(${named(q, V)}): cosine ${cosine.toFixed(6)}, distance ${Maths.distance(cosine).toFixed(4)} of their norm.`,
        `${Lab.plural(cells.n, "cell")} of ${cells.width.toFixed(1)} ids; with a Zipf law over the ids they serve like ${cells.effective.toFixed(1)} `
          + `equally full ones${set === HARMONIC ? "" : " (cells are those of the harmonic set at this width)"}.`,
        `${Lab.commas.format(Math.min(V, repeat))} distinct rows for ${Lab.commas.format(V)} ids; `
          + (others ? `${Lab.plural(others, "other id")} exactly on the row of ${named(p, V)}.` : `no other id on the row of ${named(p, V)}.`),
        ...(set === HARMONIC || lags.drawn === lags.of ? []
          : [`Of ${Lab.commas.format(lags.of)} differences ${Lab.commas.format(lags.drawn)} are drawn; between them the curve jumps as much.`]),
        ...(words.length === V ? [] : [`Ids have words here at V = ${Lab.commas.format(words.length)}, the vocabulary of the encoders that ship with the study.`]),
      ]);
    }

    return { fit, draw };
  })(),
);
