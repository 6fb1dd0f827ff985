// Explorer of the normaliser: which ids share a row when the period M is smaller than the vocabulary.
"use strict";

(() => {
  const { words } = LabData;
  const V = words.length;
  const [PUBLISHED, STEPS] = [127, 24];
  const [SHOWN, TEETH, DOTS] = [30, 8, 400]; // words of a row, times that ids run through all rows, marks in the picture
  const [BLUE, ORANGE] = ["#0072B2", "#D55E00"];
  const mass = Maths.zipf(V);
  const plain = words.map((word) => /^[a-z]{2,}$/.test(word));
  // From the released period to the paper's in even ratios.
  const steps = Array.from({ length: STEPS }, (_, i) => Math.round(PUBLISHED * ((V - 1) / PUBLISHED) ** (i / (STEPS - 1))));
  const folds = steps.map((M) => ({ M, ...Maths.folding(mass, M) }));
  const describe = (fold) => `M = ${Lab.commas.format(fold.M)}: ${Lab.commas.format(fold.rows)} rows\nat most ${Lab.plural(fold.largest, "id")} on one\n`
    + `${(100 * fold.lost).toFixed(1)} % of a text confused`;

  function drawFolding({ M, p }, own) {
    const end = Math.min(V, TEETH * M);
    const teeth = Array.from({ length: Math.ceil(end / M) }, (_, i) => i * M);
    const lines = teeth.flatMap((start) => [[start, 0], [Math.min(start + M, end) - 1, Math.min(M, end - start) - 1]].map(([id, row]) => ({ id, row, start })));
    const marked = own.filter((id) => id < end).map((id) => ({ id, row: id % M }));
    const every = Math.max(1, Math.ceil(end / DOTS));
    const ids = Array.from({ length: Math.floor((end - 1) / every) + 1 }, (_, i) => ({ id: i * every, row: (i * every) % M }));
    const chart = Lab.plot("folding", `Row of the first ${Lab.commas.format(end)} ids with period ${Lab.commas.format(M)}; ${marked.length} of them on row ${p % M}`, {
      x: { label: `token id p, the first ${Lab.commas.format(end)}` },
      y: { label: "row", domain: [0, Math.max(1, M - 1)] },
      marks: [
        Plot.line(lines, { x: "id", y: "row", z: "start", stroke: BLUE }),
        Plot.dot(marked, { x: "id", y: "row", fill: ORANGE, r: 3.5 }),
        Plot.tip([...ids, ...marked], Plot.pointer({ x: "id", y: "row", title: ({ id, row }) => `id ${Lab.commas.format(id)} “${words[id]}”\nrow ${row}` })),
      ],
    });
    chart.addEventListener("click", () => chart.value && page.set({ p: chart.value.id }));
  }

  function drawCollapse(here) {
    Lab.plot("collapse", `With period ${here.M}, ${(100 * here.lost).toFixed(1)} % of a text is taken for a more frequent token`, {
      x: { label: "period M (ids)", type: "log", ticks: 5, tickFormat: "~s" },
      y: { label: "tokens of text confused (%)", domain: [0, 100] },
      marks: [
        Plot.line(folds, { x: "M", y: (fold) => 100 * fold.lost, stroke: BLUE }),
        Plot.ruleX([here.M], { stroke: "#888", strokeDasharray: "2 3" }),
        Plot.dot([here], { x: "M", y: (fold) => 100 * fold.lost, fill: "black", r: 4 }),
        Plot.tip([...folds, here], Plot.pointerX({ x: "M", y: (fold) => 100 * fold.lost, title: describe })),
      ],
    });
  }

  function draw(settings) {
    const { M, p, d } = settings;
    const row = p % M;
    const own = Array.from({ length: Math.ceil((V - row) / M) }, (_, i) => row + i * M);
    const here = { M, ...Maths.folding(mass, M) };
    drawFolding(settings, own);
    drawCollapse(here);
    // The word asked for first, then plain words, then the frequent.
    const telling = [...own].sort((a, b) => (b === p) - (a === p) || plain[b] - plain[a] || a - b).slice(0, SHOWN);
    document.getElementById("classTitle").textContent = `Words of row ${Lab.commas.format(row)}: ${telling.length} of its ${Lab.commas.format(own.length)}`;
    document.getElementById("class").replaceChildren(...telling.map((id) => {
      const entry = Object.assign(document.createElement("li"), { textContent: `${words[id]} ` });
      entry.append(Object.assign(document.createElement("small"), { textContent: Lab.commas.format(id) }));
      return entry;
    }));
    const [least, most] = [Math.floor(V / here.rows), here.largest];
    const [cosine] = Maths.kernel(Maths.harmonic(d / 2), M, [1]);
    Lab.say([
      `Period ${Lab.commas.format(M)}: ${Lab.commas.format(here.rows)} distinct rows for ${Lab.commas.format(V)} ids, `
        + `${least === most ? least : `${least} to ${most}`} on each.`,
      `With a Zipf law over the ids, ${(100 * here.lost).toFixed(1)} % of a text shares its row with a more frequent token.`,
      `“${words[p]}” (id ${Lab.commas.format(p)}) is on row ${Lab.commas.format(row)} with ${Lab.plural(own.length - 1, "other id")}.`,
      `Neighbouring rows have cosine ${cosine.toFixed(4)} (d = ${d}).`,
      `The vocabulary is that of the encoders that ship with the study; the paper's period would be ${Lab.commas.format(V - 1)}.`,
    ]);
  }

  const page = Lab.explore({ draw });
})();
