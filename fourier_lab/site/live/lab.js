// What the explorers share: settings as controls and in the link, messages, when to draw, and what charts have in common.
"use strict";

const Lab = (() => {
  const form = document.getElementById("settings");
  const message = document.getElementById("message");
  const LONGEST = 40; // characters of a given text that are repeated
  const widths = new Map(); // of charts by id: asking the page for one costs a layout of all of it
  const commas = new Intl.NumberFormat("en-US");

  // A number as the library writes it: "30,522", "0.4217".
  function text(value, digits = 4) {
    if (Math.abs(value) >= 1000) return commas.format(Math.round(value));
    return String(Number(value.toPrecision(digits)));
  }

  // The bytes of an array that the library has packed as text.
  function bytes(packed) {
    const text = atob(packed), found = new Uint8Array(text.length);
    for (let i = 0; i < found.length; i += 1) found[i] = text.charCodeAt(i);
    return found.buffer;
  }

  const plural = (n, noun) => `${commas.format(n)} ${noun}${n === 1 ? "" : "s"}`;

  // Fill the menu of a setting, and choose one of its options.
  function offer(name, options, value = options[0]) {
    form.elements[name].replaceChildren(...options.map((option) => new Option(option, option, option === value, option === value)));
  }

  // Controls by the name of their setting; a slider (data-for) moves with its number box.
  function controls() {
    const found = {};
    for (const element of form.elements) if (element.name) found[element.name] = element;
    return found;
  }

  const kind = (element) => (element.tagName === "SELECT" ? "choice" : element.type);

  function valueOf(element) {
    if (kind(element) === "checkbox") return element.checked;
    return kind(element) === "number" ? Number(element.value) : element.value;
  }

  function show(element, value) {
    if (kind(element) === "checkbox") element.checked = value;
    else element.value = value;
    const slider = form.querySelector(`[data-for="${element.name}"]`);
    if (slider) Object.assign(slider, { min: element.min, max: element.max, step: element.step, value });
  }

  // A text that somebody gave, short enough for a sentence, and with no say about which way the rest of it runs.
  const quoted = (given) => `\u2068${given.length > LONGEST ? `${given.slice(0, LONGEST)}…` : given}\u2069`;

  // Return the value that a text stands for, or a sentence that says what to do.
  function parse(name, element, given) {
    if (kind(element) === "checkbox") {
      if (given === "1" || given === "0") return { value: given === "1" };
      return { problem: `${name} (${quoted(given)}) must be 0 or 1.` };
    }
    if (kind(element) === "choice") {
      const known = [...element.options].map((option) => option.value);
      if (known.includes(given)) return { value: given };
      const few = known.length > 9 ? `${known.slice(0, 8).join(", ")} and ${known.length - 8} more` : known.join(", ");
      return { problem: `${name} (${quoted(given)}) is not offered here. Choose from ${few}.` };
    }
    if (kind(element) !== "number") return { value: given };
    const value = Number(given);
    const [low, high, step] = [Number(element.min), Number(element.max), Number(element.step) || 1];
    if (given.trim() !== "" && value >= low && value <= high && (value - low) % step === 0) return { value };
    const which = step === 1 ? "a whole number" : `${low} plus a multiple of ${step}`;
    return { problem: `${name} (${quoted(given)}) must be ${which} from ${text(low)} to ${text(high)}.` };
  }

  /* Keep a picture up to date with its controls and its link.

  page.fit(settings) gives the controls the ranges that the settings need, by {name: {max: ...}}, and may change settings
  that lie outside; it returns a sentence where it did. page.draw(settings) draws, in under 50 ms so that sliders can lead. */
  function explore(page) {
    const known = controls();
    const defaults = Object.fromEntries(Object.entries(known).map(([name, element]) => [name, valueOf(element)]));
    let settings = { ...defaults };
    let waiting = false;
    let written = "";
    let writing = 0;

    function adjust(chosen) {
      const { ranges = {}, note = "" } = (page.fit && page.fit(chosen)) || {};
      for (const [name, traits] of Object.entries(ranges)) Object.assign(known[name], traits);
      return note;
    }

    function follow() {
      const note = adjust(settings);
      for (const [name, element] of Object.entries(known)) {
        if (kind(element) === "number") settings[name] = Math.min(Number(element.max), Math.max(Number(element.min), settings[name]));
        show(element, settings[name]);
      }
      return note;
    }

    function draw() {
      waiting = false;
      const start = performance.now();
      const [picture, instead] = ["picture", "instead"].map((id) => document.getElementById(id));
      picture.hidden = false; // or charts would find no room
      try {
        page.draw(settings);
      } catch (error) {
        [picture.hidden, instead.hidden] = [true, false];
        message.textContent = "This browser could not draw the picture. Press Start again, or use a newer one; below is a picture that does not move.";
        throw error;
      }
      instead.hidden = true;
      form.dataset.ms = (performance.now() - start).toFixed(1);
      form.dataset.drawn = Number(form.dataset.drawn || 0) + 1;
    }

    function redraw() {
      if (!waiting) requestAnimationFrame(draw);
      waiting = true;
    }

    // Soon, and once for a whole drag: browsers refuse a link that changes with every step.
    function writeLink() {
      clearTimeout(writing);
      writing = setTimeout(writeNow, 150);
    }

    function writeNow() {
      const parts = Object.entries(settings).map(([name, value]) => {
        return `${name}=${encodeURIComponent(typeof value === "boolean" ? Number(value) : value)}`;
      });
      written = `#${parts.join("&")}`;
      history.replaceState(null, "", written);
    }

    // Take settings from texts, those of a link or one control; what cannot be is left as it was and said.
    function take(texts, start) {
      const problems = [];
      settings = { ...start };
      const names = Object.keys(known).filter((name) => name in texts);
      for (const name of Object.keys(texts)) {
        if (!Object.keys(known).includes(name)) problems.push(`There is no setting ${quoted(name)} here. Choose from ${Object.keys(known).join(", ")}.`);
      }
      for (const name of names) {
        const { value, problem } = parse(name, known[name], texts[name]);
        if (problem) problems.push(`${problem} It stays ${settings[name]}.`);
        else settings[name] = value;
        adjust({ ...settings }); // ranges of later settings depend on it
      }
      const note = follow();
      if (note) problems.push(note);
      message.textContent = problems.join(" ");
      redraw();
    }

    function readLink() {
      if (location.hash === written && written) return;
      const texts = {};
      for (const part of location.hash.slice(1).split("&").filter(Boolean)) {
        const at = part.indexOf("=");
        try {
          texts[decodeURIComponent(at < 0 ? part : part.slice(0, at))] = decodeURIComponent(at < 0 ? "" : part.slice(at + 1));
        } catch {
          texts[part] = "";
        }
      }
      take(texts, defaults);
    }

    function answer(event) {
      const name = event.target.dataset.for || event.target.name;
      if (!name) return;
      const raw = event.target.type === "checkbox" ? String(Number(event.target.checked)) : event.target.value;
      take({ [name]: raw }, settings);
      writeLink();
    }

    form.addEventListener("input", (event) => event.target.type === "range" && answer(event));
    form.addEventListener("change", (event) => event.target.type !== "range" && answer(event));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => {
      take({}, defaults);
      writeLink();
    });
    window.addEventListener("hashchange", readLink);
    window.addEventListener("resize", () => {
      widths.clear();
      redraw();
    });
    readLink();
    // A word typed into a field with data-find="p" becomes the id p.
    for (const field of document.querySelectorAll("[data-find]")) {
      field.addEventListener("change", () => {
        const word = field.value.trim().toLowerCase();
        const id = LabData.words.indexOf(word);
        if (id >= 0) {
          take({ [field.dataset.find]: String(id) }, settings);
          writeLink();
        } else if (word) {
          message.textContent = `“${quoted(word)}” is not one of the ${commas.format(LabData.words.length)} word pieces. Try another form or a shorter word.`;
        }
      });
    }
    return {
      // Change settings from the picture, as a click does.
      set(changes) {
        take(Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, String(value)])), settings);
        writeLink();
      },
      redraw,
      settings: () => ({ ...settings }),
    };
  }

  // Put a chart of Observable Plot into the figure of this id, with a sentence for those who do not see it.
  function plot(id, label, options) {
    const place = document.querySelector(`#${id} .chart`);
    if (!widths.has(id)) widths.set(id, Math.max(240, place.clientWidth));
    const chart = Plot.plot({
      width: widths.get(id),
      height: 240,
      marginLeft: 52,
      marginBottom: 38,
      style: { fontSize: "12px", background: "transparent", overflow: "visible" },
      ...options,
    });
    chart.setAttribute("aria-hidden", "true"); // its parts have names of no use
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    place.replaceChildren(chart);
    return chart;
  }

  // A table of texts, by rows.
  function table(head, rows) {
    const line = (tag, texts) => {
      const row = document.createElement("tr");
      row.append(...texts.map((textContent) => Object.assign(document.createElement(tag), { textContent })));
      return row;
    };
    const sheet = document.createElement("table");
    sheet.append(line("th", head), ...rows.map((texts) => line("td", texts)));
    return sheet;
  }

  function say(lines) {
    document.getElementById("words").replaceChildren(
      ...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })),
    );
  }

  return { bytes, commas, explore, offer, plot, plural, quoted, say, table, text };
})();
