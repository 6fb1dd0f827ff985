"use strict";
// The page around the encoder: what is written goes to a worker, what comes back is drawn. Its settings are in its address.

(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const SHOWN = 40; // tokens of a sentence that are drawn
  const NUMBERED = 14; // columns up to which a matrix has room for its numbers
  const NEAR = 5;
  const BERT = 30522; // ids of the vocabulary that the paper's encoders have
  const LONGEST_LINK = 30000; // characters, which every browser takes
  const AROUND = 60; // ids on each side of a token's, over which its waves are drawn
  const CYCLES = [0.5, 2, 5, 12, 25]; // about those of the drawn waves, in that stretch
  const SIDES = ["a", "b"];
  const at = (id) => document.getElementById(id);
  const encoders = new Map(page.encoders.map((encoder) => [encoder.name, encoder]));
  let shown = null, chosen = null, turn = 0, example = 0, linkProblem = "";

  // ---- words and elements

  const number = (value) => value.toLocaleString("en");
  const signed = (value, digits = 2) => {
    const text = Math.abs(value).toFixed(digits);
    return value < 0 && Number(text) ? `−${text}` : text;
  };
  const megabytes = (numbers) => `${((numbers * 4) / 1e6).toFixed(1)} MB`;

  function element(name, attributes = {}, ...children) {
    const isSvg = ["svg", "path", "line"].includes(name);
    const made = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(key, value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function drawing(width, height, ...children) {
    const attributes = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    return element("svg", attributes, ...children);
  }

  const curve = (points) => `M${points.map(([x, y]) => `${+x.toFixed(2)} ${+y.toFixed(2)}`).join("L")}`;
  const brief = (text) => (text.length > 30 ? `${text.slice(0, 30)}…` : text);
  const bidi = (text, attributes = {}) => element("bdi", attributes, text);

  // ---- the encoder, in a worker where there can be one

  const call = (() => {
    const waiting = new Map();
    let worker = null, local = null, last = 0;

    async function here(id) {
      const { name, given, resolve, reject } = waiting.get(id);
      waiting.delete(id);
      try {
        local ??= fourierEncoder();
        resolve(local[name](...given));
      } catch (error) {
        reject(error);
      }
    }

    function withoutWorker() {
      worker = null;
      [...waiting.keys()].forEach(here);
    }

    try {
      // Pages that were opened from a disk may not load a worker from a file, so that it gets its text.
      const text = `const engine = (${fourierEncoder})();
        onmessage = ({ data: [id, name, given] }) => {
          try {
            postMessage([id, engine[name](...given)]);
          } catch (error) {
            postMessage([id, null, String(error)]);
          }
        };`;
      worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
      worker.onerror = withoutWorker;
      worker.onmessage = ({ data: [id, result, error] }) => {
        const { resolve, reject } = waiting.get(id);
        waiting.delete(id);
        if (error) reject(new Error(error));
        else resolve(result);
      };
    } catch {
      worker = null;
    }

    return (name, ...given) =>
      new Promise((resolve, reject) => {
        waiting.set(++last, { name, given, resolve, reject });
        if (worker) worker.postMessage([last, name, given]);
        else here(last);
      });
  })();

  const scripts = new Map(), loaded = new Map();

  /** Run a script of data once; files are not fetched, which pages from a disk may not do. */
  function script(name) {
    if (self.fourierLab?.[name]) return null; // it is part of the page
    if (!scripts.has(name)) {
      const arrives = new Promise((resolve, reject) => {
        const missing = `data/${name}.js does not lie beside this page. Copy the whole folder of the site, and open it again.`;
        const lost = () => {
          scripts.delete(name);
          reject(new Error(missing));
        };
        document.head.append(element("script", { src: `data/${name}.js`, load: resolve, error: lost }));
      });
      scripts.set(name, arrives);
    }
    return scripts.get(name);
  }

  function ready({ name, rules }) {
    if (!loaded.has(name)) {
      const comes = Promise.all([script(rules), script(name)]).then(() =>
        call("load", name, self.fourierLab[name], self.fourierLab[rules]),
      );
      comes.catch(() => loaded.delete(name));
      loaded.set(name, comes);
    }
    return loaded.get(name);
  }

  // ---- settings and their link

  function settings() {
    const encoder = document.querySelector("input[name=encoder]:checked").value;
    return { encoder, a: at("a").value, b: at("b").value };
  }

  function set({ encoder, a, b }) {
    document.querySelector(`input[name=encoder][value="${encoder}"]`).checked = true;
    at("a").value = a;
    at("b").value = b;
  }

  function writeLink() {
    const link = new URLSearchParams(settings()).toString(), fits = link.length <= LONGEST_LINK;
    if (`#${link}` !== location.hash) history.replaceState(null, "", fits ? `#${link}` : location.pathname);
    at("link").hidden = !fits;
    at("no-link").hidden = fits;
  }

  /** Set what the address asks for; what it does not say is as at first. */
  function readLink() {
    const [a, b] = page.examples[0];
    const wanted = { encoder: page.encoders[0].name, a, b };
    const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const strange = [];
    for (const [key, value] of given) {
      if (!(key in wanted)) strange.push(`the setting “${brief(key)}”`);
      else if (key === "encoder" && !encoders.has(value)) strange.push(`the encoder “${brief(value)}”`);
      else wanted[key] = value;
    }
    set(wanted);
    linkProblem = strange.length
      ? `This link is of another version of the page, which has ${strange.join(" and ")}. Shown is ${wanted.encoder} without ` +
        "that: choose an encoder, write your sentences, and copy the new address."
      : "";
  }

  // ---- pictures

  function note(side, { tokens, cut }, text) {
    const said = [], inner = tokens.filter(({ word }) => word);
    const ends = tokens.filter(({ word }) => !word).map(({ token }) => token).join(" and ");
    const unknown = [...new Set(inner.filter(({ isUnknown }) => isUnknown).map(({ word }) => word))];
    if (!inner.length) said.push(`There is no word to read. The vector is that of ${ends}, as in the library.`);
    if (cut) said.push(`The first ${number(tokens.length)} tokens are read, as in the library; ${number(cut)} more are left out.`);
    if (/[\ud800-\udfff]/u.test(text)) said.push("Half of a character was left out.");
    at(`note-${side}`).replaceChildren(said.join(" "));
    if (unknown.length) {
      const some = unknown.slice(0, NEAR).flatMap((word, i) => [i ? ", " : "", bidi(brief(word))]);
      const more = unknown.length > NEAR ? ` and ${unknown.length - NEAR} more` : "";
      at(`note-${side}`).append(" Not in the vocabulary, and read as unknown: ", ...some, `${more}.`);
    }
  }

  function drawStored({ name, numbers, of_embedding: own, of_table: table, vocab_size: V, d_model: d }) {
    const whole = BERT * d;
    const bar = (size) => element("div", { class: "size", style: `width: ${(100 * size) / Math.max(numbers, table, V < BERT ? whole : 0)}%` });
    const share = `${number(own)} of the embedding and ${number(numbers - own)} for the weights of tokens`;
    at("stored").replaceChildren(
      element("p", {}, element("strong", {}, megabytes(numbers)), ` in ${name}: ${number(numbers)} numbers, ${share}.`),
      bar(numbers),
      element("p", {}, element("strong", {}, megabytes(table)), ` in a table of a row for each of the same ${number(V)} ids, ${number(d)} numbers wide.`),
      bar(table),
      ...(V < BERT ? [
        element("p", {}, element("strong", {}, megabytes(whole)), ` in a table for all ${number(BERT)} ids of BERT’s vocabulary, whose rows the embedding would compute from the numbers that it has.`),
        bar(whole),
      ] : []),
    );
  }

  function drawTokens(highest) {
    shown.sides.forEach(({ tokens }, s) => {
      const list = at(`tokens-${SIDES[s]}`);
      list.dir = getComputedStyle(at(SIDES[s])).direction;
      list.replaceChildren(
        ...tokens.slice(0, SHOWN).map(({ id, token, word, isUnknown, row }, place) => {
          const points = [...row].map((value, i) => [i, 20 - (19 * value) / highest]);
          const press = () => look(...(chosen = [s, place]));
          const parts = [
            bidi(token, { class: "token" }),
            element("span", { class: "id" }, number(id), ...(isUnknown ? [": ", bidi(word)] : [])),
            drawing(row.length - 1, 40, element("path", { d: curve(points), stroke: "var(--own)" })),
          ];
          return element("li", {}, element("button", { type: "button", click: press, "aria-pressed": "false" }, ...parts));
        }),
      );
    });
    const longest = Math.max(...shown.sides.map(({ tokens }) => tokens.length));
    at("shown").textContent = longest > SHOWN ? `Drawn are the first ${SHOWN} tokens of a sentence. All of them count.` : "";
  }

  /** The token that was chosen, as long as it is there; else the heaviest of the first sentence. */
  function lookedAt() {
    const tokens = shown.sides.map((side) => side.tokens.slice(0, SHOWN));
    if (chosen && tokens[chosen[0]][chosen[1]]) return chosen;
    const weights = tokens[0].map(({ weight }) => weight);
    return [0, weights.indexOf(Math.max(...weights))];
  }

  /** Show how the row of a token comes about. */
  function look(side, place) {
    SIDES.forEach((name, s) =>
      at(`tokens-${name}`)
        .querySelectorAll("button")
        .forEach((button, i) => button.setAttribute("aria-pressed", s === side && i === place)),
    );
    const { id, token, row } = shown.sides[side].tokens[place];
    const { frequencies, period } = self.fourierLab[shown.encoder];
    const wanted = CYCLES.map((cycles) => (cycles * period) / (2 * AROUND));
    const nearest = (k) => frequencies.reduce((best, f) => (Math.abs(f - k) < Math.abs(best - k) ? f : best));
    const wave = (k, p) => Math.sin(k * Math.PI * ((2 * p) / period - 1));
    const waves = [...new Set(wanted.map(nearest))].map((k) => {
      const points = Array.from({ length: 8 * AROUND + 1 }, (_, i) => [i / 4, 10 - 7 * wave(k, id - AROUND + i / 4)]);
      const y = 10 - 7 * wave(k, id);
      const picture = drawing(
        2 * AROUND,
        20,
        element("line", { x1: AROUND, x2: AROUND, y1: 0, y2: 20, stroke: "#999" }),
        element("path", { d: curve(points), stroke: "#767676" }),
        // A line without length under a round cap stays a dot however the picture is stretched.
        element("path", { d: `M${AROUND} ${y}h0`, stroke: "var(--own)", "stroke-width": 8, "stroke-linecap": "round" }),
      );
      return element("div", { class: "wave" }, element("span", {}, `k = ${number(k)}`), picture, element("span", {}, signed(wave(k, id))));
    });
    const panel = at("token");
    panel.className = `side-${SIDES[side]}`;
    panel.replaceChildren(
      element("h3", {}, "Token ", bidi(token), `, id ${number(id)}`),
      element("p", {}, `1. Waves are read at the id. Here are ${waves.length} of the ${number(frequencies.length)}, over the ids around it; k is the number of cycles over the vocabulary. Each gives a sine, the dot, and a cosine.`),
      ...waves,
      element("p", {}, `2. The matrix W makes of these ${number(2 * frequencies.length)} numbers the ${number(row.length)} of the row:`),
      rowPicture(row),
    );
  }

  function rowPicture(row) {
    const highest = Math.max(...row.map(Math.abs)), marker = element("line", { y1: 0, y2: 40, stroke: "#222" });
    const bars = [...row].map((value, i) => `M${i + 0.5} 20V${(20 - (19 * value) / highest).toFixed(2)}`).join("");
    const said = element("p", { class: "note" });
    const range = { type: "range", min: 1, max: row.length, value: 1, "aria-label": "Dimension of the row" };
    const slider = element("input", { ...range, input: () => read(Number(slider.value)) });
    const picture = drawing(row.length, 40, element("path", { d: bars, stroke: "var(--own)", "stroke-width": 2 }), marker);
    function read(dimension) {
      slider.value = dimension;
      slider.setAttribute("aria-valuetext", `dimension ${dimension}: ${signed(row[dimension - 1], 3)}`);
      marker.setAttribute("x1", dimension - 0.5);
      marker.setAttribute("x2", dimension - 0.5);
      said.textContent = `Dimension ${dimension}: ${signed(row[dimension - 1], 3)}`;
    }
    picture.addEventListener("pointermove", (event) => {
      const { left, width } = picture.getBoundingClientRect();
      read(Math.min(row.length, 1 + Math.floor(((event.clientX - left) / width) * row.length)));
    });
    read(1);
    return element("div", { class: "row" }, picture, slider, said);
  }

  function drawMatrix() {
    const [rows, columns] = shown.sides.map(({ tokens }) => tokens.slice(0, SHOWN));
    const colour = (value) => `background: rgba(${value > 0 ? "0, 114, 178" : "213, 94, 0"}, ${(0.8 * Math.abs(value)).toFixed(2)})`;
    const heads = columns.map(({ token }) => element("th", { scope: "col" }, element("span", {}, bidi(token))));
    const body = rows.map(({ token }, i) => {
      const cells = columns.map((_, j) => {
        const value = shown.matrix[i][j];
        return element("td", { style: colour(value), "data-cell": `${i} ${j}` }, signed(value));
      });
      return element("tr", {}, element("th", { scope: "row" }, bidi(token)), ...cells);
    });
    const size = columns.length > NUMBERED ? "matrix many" : "matrix";
    at("matrix").replaceChildren(element("table", { class: size }, element("tr", {}, element("td"), ...heads), ...body));
    at("cell").textContent = "";
  }

  function point(cell) {
    at("matrix").querySelector(".here")?.classList.remove("here");
    cell.classList.add("here");
    const [i, j] = cell.dataset.cell.split(" ").map(Number);
    const [row, column] = [shown.sides[0].tokens[i], shown.sides[1].tokens[j]];
    at("cell").replaceChildren(
      bidi(row.token), ` (id ${number(row.id)}) and `, bidi(column.token), ` (id ${number(column.id)}): ${signed(shown.matrix[i][j], 3)}`,
    );
  }

  function walk(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const now = at("matrix").querySelector(".here")?.dataset.cell.split(" ").map(Number);
    const [i, j] = now ? now.map((place, axis) => place + step[axis]) : [0, 0];
    const next = at("matrix").querySelector(`[data-cell="${i} ${j}"]`);
    if (!next) return;
    point(next);
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function drawParts() {
    const all = shown.sides.map(({ tokens }) => tokens);
    const low = Math.min(0, ...all.flat().map(({ share }) => share));
    const high = Math.max(...all.flat().map(({ share }) => share), low + 1e-9);
    const place = (share) => (100 * (share - low)) / (high - low);
    all.forEach((tokens, s) => {
      const line = (name, weight, share, without) => {
        const [from, to] = [Math.min(place(0), place(share)), Math.max(place(0), place(share))];
        const bar = { class: share < 0 ? "less" : "more", style: `left: ${from}%; width: ${to - from}%` };
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, name),
          element("td", {}, `${Math.round(100 * weight)} %`),
          element("td", {}, signed(share)),
          element("td", {}, without === null ? "" : signed(without)),
          element("td", { class: "bar", "aria-hidden": "true" }, ...(without === null ? [] : [element("span", bar)])),
        );
      };
      const lines = tokens.slice(0, SHOWN).map((t) => line(bidi(t.token), t.weight, t.share, t.without));
      const rest = tokens.slice(SHOWN), sum = (key) => rest.reduce((total, t) => total + t[key], 0);
      if (rest.length) lines.push(line(`the other ${rest.length}`, sum("weight"), sum("share"), null));
      const heads = ["token", "weight", "adds", "without", ""].map((word) => element(word ? "th" : "td", word ? { scope: "col" } : {}, word));
      const caption = element("caption", {}, `${s ? "Second" : "First"} sentence`);
      at(`parts-${SIDES[s]}`).replaceChildren(
        element("table", { class: "parts" }, caption, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines)),
      );
    });
  }

  function drawNear({ near, pairs }) {
    near.forEach((cosines, s) => {
      const others = cosines.map((cosine, i) => ({ cosine, text: page.sentences[i] })).filter(({ text }) => text !== at(SIDES[s]).value);
      const lines = others.sort((x, y) => y.cosine - x.cosine).slice(0, NEAR).map(({ cosine, text }) => {
        const put = () => change({ [SIDES[1 - s]]: text });
        return element("li", {}, element("span", {}, signed(cosine)), element("button", { type: "button", click: put }, text));
      });
      at(`near-${SIDES[s]}`).replaceChildren(...lines);
    });
    const lower = pairs.filter((cosine) => cosine < shown.cosine).length;
    const share = `It is higher than ${Math.round((100 * lower) / pairs.length)} % of the ${number(pairs.length)} pairs of the listed sentences.`;
    at("cosine").replaceChildren(element("strong", {}, signed(shown.cosine)), ` is the cosine of the two sentences. ${share}`);
    const bins = new Array(80).fill(0);
    for (const cosine of pairs) bins[Math.min(79, Math.floor((cosine + 1) * 40))]++;
    const highest = Math.max(...bins), x = (shown.cosine + 1) * 40;
    const heap = bins.map((count, i) => `M${i + 0.5} 40V${40 - (36 * count) / highest}`).join("");
    at("scale").replaceChildren(
      drawing(80, 40, element("path", { d: heap, stroke: "#bbb", "stroke-width": 5 }), element("line", { x1: x, x2: x, y1: 0, y2: 40, stroke: "#222", "stroke-width": 3 })),
      element("div", { class: "ends", "aria-hidden": "true" }, ...["−1", "0", "1"].map((end) => element("span", {}, end))),
    );
  }

  /** Both arms, after all else: their scripts are as large as the rest of the page. */
  async function drawArms({ a, b }, mine) {
    const found = await Promise.all(page.arms.map((arm) => ready(arm).then(() => call("alike", arm.name, a, b))));
    if (mine !== turn || !found.length) return;
    const lines = page.arms.map(({ series, numbers, of_embedding: own }, i) => [
      series, signed(found[i].cosine), number(own), number(numbers), megabytes(numbers),
    ]);
    const heads = ["arm", "cosine", "numbers for rows", "numbers in all", "size"].map((text) => element("th", { scope: "col" }, text));
    const body = lines.map(([name, ...rest]) =>
      element("tr", {}, element("th", { scope: "row" }, name), ...rest.map((text) => element("td", {}, text))),
    );
    at("arms").replaceChildren(
      element("table", { class: "parts" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body)),
    );
    const { unknown } = found[0];
    at("note-arms").textContent = unknown ? `To these two, ${unknown === 1 ? "one token is" : `${number(unknown)} tokens are`} unknown.` : "";
  }

  // ---- at work

  const say = (text) => (at("message").textContent = text);

  async function update() {
    const mine = ++turn, wanted = settings();
    try {
      say(linkProblem || (loaded.has(wanted.encoder) ? "" : `Loading ${wanted.encoder} …`));
      await ready(encoders.get(wanted.encoder));
      const found = await call("compare", wanted.encoder, wanted.a, wanted.b);
      if (mine !== turn) return;
      shown = { ...found, encoder: wanted.encoder };
      say(linkProblem);
      found.sides.forEach((side, s) => note(SIDES[s], side, wanted[SIDES[s]]));
      drawStored(encoders.get(wanted.encoder));
      const rows = found.sides.flatMap(({ tokens }) => tokens.slice(0, SHOWN).map(({ row }) => row));
      drawTokens(Math.max(...rows.map((row) => row.reduce((most, value) => Math.max(most, Math.abs(value)), 0))));
      look(...lookedAt());
      drawMatrix();
      drawParts();
      at("time").textContent = `The two vectors took ${found.milliseconds.toFixed(1)} ms.`;
      const near = await call("neighbours", wanted.encoder, [wanted.a, wanted.b], page.sentences);
      if (mine !== turn) return;
      drawNear(near);
      await drawArms(wanted, mine);
      if (mine !== turn) return;
      document.body.dataset.turn = mine; // for whoever waits until all is drawn
    } catch (error) {
      if (mine === turn) say(error.message);
    }
  }

  function change(wanted) {
    set({ ...settings(), ...wanted });
    changed();
  }

  function changed() {
    linkProblem = "";
    writeLink();
    update();
  }

  document.querySelector("#encoder form").addEventListener("input", changed);
  document.querySelector("#encoder form").addEventListener("submit", (event) => event.preventDefault());
  at("swap").addEventListener("click", () => change({ a: at("b").value, b: at("a").value }));
  at("example").addEventListener("click", () => {
    const [a, b] = page.examples[(example = (example + 1) % page.examples.length)];
    change({ a, b });
  });
  at("matrix").addEventListener("keydown", walk);
  at("matrix").addEventListener("pointerover", ({ target }) => target.dataset.cell && point(target));
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return; // a place in the page
    readLink();
    update();
  });
  at("still").hidden = true;
  at("encoder").hidden = false;
  readLink();
  update();
})();
