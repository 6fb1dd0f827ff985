// Explorer of trained tokens: two clouds, each an encoder at a stage, linked by the word.
"use strict";

(() => {
  const { words: vocabularies, views, first } = LabData.clouds;
  // Of 256; a canvas has the bytes of red, green, blue in this order from below.
  const SHADES = Uint32Array.from({ length: 256 }, (_, i) => {
    const { r, g, b } = d3.rgb(d3.interpolateViridis(0.9 * (i / 255)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
  const LISTED = 200; // words of a lasso that are written out
  const SIDES = ["left", "right"];
  const byName = new Map(views.map((view) => [view.name, view]));
  const lasso = document.getElementById("lasso");
  const lassoed = document.getElementById("lassoed");
  const ids = vocabularies.map((words) => new Map(words.map((word, id) => [word, id])));
  const clouds = {};
  const shown = {};
  let word = "dog";
  let page = null;

  // Unpacked when first shown.
  function open(view) {
    if (!view.x) {
      const places = new Int16Array(Lab.bytes(view.places));
      const n = places.length / 2;
      [view.x, view.y] = [new Float32Array(n), new Float32Array(n)];
      for (let i = 0; i < n; i += 1) [view.x[i], view.y[i]] = [places[2 * i] / 32767, places[2 * i + 1] / 32767];
      view.nearest = new Uint16Array(Lab.bytes(view.near));
      // From frequent to rare, which is the order of ids.
      view.colours = new Uint32Array(n);
      for (let i = 0; i < n; i += 1) view.colours[i] = SHADES[Math.floor((255 * Math.log1p(i)) / Math.log1p(n))];
    }
    return view;
  }

  function fit(settings) {
    const asked = settings.word.trim().toLowerCase();
    const known = SIDES.some((side) => ids[byName.get(settings[side]).words].has(asked));
    const note = known || !asked ? "" : `“${Lab.quoted(asked)}” is a token of neither vocabulary. Try another form, a shorter word, or ## and its end.`;
    if (known) word = asked;
    settings.word = word;
    return { note };
  }

  const neighbours = (view, id) => {
    const n = view.nearest.length / view.x.length;
    return [...view.nearest.slice(n * id, n * (id + 1))];
  };

  function markWord(side, marked, strong = true) {
    const view = shown[side];
    const [id, words] = [ids[view.words].get(marked), vocabularies[view.words]];
    if (id === undefined) return [];
    return [{ id, word: marked, strong: true }, ...(strong ? neighbours(view, id).map((other) => ({ id: other, word: words[other] })) : [])];
  }

  // What the pointer is at is marked on both sides, in place of the chosen word.
  function hover(side, id) {
    const under = id === null ? null : vocabularies[shown[side].words][id];
    if (under === hover.last) return;
    hover.last = under;
    for (const other of SIDES) clouds[other].mark([...(under ? markWord(other, under, false) : []), ...markWord(other, word)]);
    document.getElementById("under").textContent = under === null ? "" : `id ${Lab.commas.format(id)} “${under}”`;
  }

  function list(side, chosen) {
    const words = chosen.slice(0, LISTED).map((id) => vocabularies[shown[side].words][id]);
    const more = chosen.length > LISTED ? ` and ${Lab.commas.format(chosen.length - LISTED)} more` : "";
    lassoed.textContent = chosen.length ? `${Lab.plural(chosen.length, "token")} in the lasso: ${words.join(", ")}${more}.` : "No token is in the lasso.";
  }

  function draw(settings) {
    const said = [];
    for (const side of SIDES) {
      const view = open(byName.get(settings[side]));
      const [words, id] = [vocabularies[view.words], ids[view.words].get(word)];
      if (shown[side] !== view) {
        shown[side] = view;
        clouds[side].show(view.x, view.y, view.colours);
        clouds[side].canvas.setAttribute("aria-label", `${Lab.commas.format(words.length)} tokens of ${view.name}, by principal components`);
        document.getElementById(`${side}Title`).textContent = `${view.name}, ${Lab.commas.format(words.length)} tokens`;
      }
      clouds[side].mark(markWord(side, word));
      said.push(id === undefined ? `“${word}” is not a token of ${view.name}.`
        : `Nearest to “${word}” (id ${Lab.commas.format(id)}) in ${view.name}: ${neighbours(view, id).map((other) => words[other]).join(", ")}.`);
      if (view.digest) said.push(`${view.name} is run ${view.digest} of the study’s records: where its tokens lie, and what is near them, is kept here, its weights are not.`);
      if (view.name.includes("T(p)") && !said.some((line) => line.startsWith("All directions"))) {
        said.push("All directions of T(p) have nearly the same variance: its picture is one of many, the nearest tokens are not.");
      }
    }
    Lab.say(said);
  }

  for (const side of SIDES) {
    const canvas = document.querySelector(`#${side}Cloud canvas`);
    clouds[side] = new Cloud(canvas, {
      hover: (id) => hover(side, id),
      pick: (id) => page.set({ word: vocabularies[shown[side].words][id] }),
      lasso: (chosen) => list(side, chosen),
      wantsLasso: () => lasso.checked,
    });
    for (const [name, act] of Object.entries({ in: () => clouds[side].zoom(1.6), out: () => clouds[side].zoom(1 / 1.6), all: () => (clouds[side].home(), clouds[side].paint()) })) {
      document.querySelector(`#${side}Cloud [data-zoom=${name}]`).addEventListener("click", act);
    }
    Lab.offer(side, views.map((view) => view.name), first[SIDES.indexOf(side)]);
  }
  document.getElementById("play").addEventListener("click", () => {
    const [first] = document.getElementById("settings").elements.left.value.split(":");
    const stages = views.filter((view) => view.name.startsWith(`${first}:`));
    stages.forEach((view, i) => setTimeout(() => page.set({ left: view.name }), 1.5 * Cloud.GLIDE_MS * i));
  });
  page = Lab.explore({ fit, draw });
  window.addEventListener("resize", () => SIDES.forEach((side) => clouds[side].paint()));
})();
