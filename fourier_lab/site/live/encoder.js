"use strict";
// The encoder: text to ids, ids to rows, rows to a vector. It knows nothing of the page, so that it runs in a worker too.

function fourierEncoder() {
  const encoders = new Map();

  function floats(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return new Float32Array(bytes.buffer); // little-endian, as every machine with a browser is
  }

  /** Whether a code point lies in ranges [start, end, start, end, ...], ends left out. */
  function within(ranges, code) {
    let low = 0, high = ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[middle] <= code) low = middle + 1;
      else high = middle;
    }
    return low % 2 === 1;
  }

  /** Cut text by the tables of fourier_lab/site/token_rules.py. */
  function tokenizer(rules) {
    const ids = new Map(rules.words.map((word, id) => [word, id]));
    const become = new Map(Object.entries(rules.map)), order = new Map(Object.entries(rules.order));
    const blank = new Set(rules.blank), parts = new Map();
    const longestPiece = Math.max(...rules.words.map((word) => word.length));

    function plain(c) {
      const code = c.codePointAt(0);
      if (become.has(c)) return become.get(c);
      if (within(rules.drop, code)) return "";
      if (within(rules.pad, code)) return ` ${c} `;
      return rules.hangul && code >= 0xac00 && code < 0xd7a4 ? c.normalize("NFD") : c;
    }

    function normalise(text) {
      let out = "", marks = []; // marks that follow each other are put in canonical order
      const settle = () => {
        out += marks.sort((a, b) => order.get(a) - order.get(b)).join("");
        marks = [];
      };
      for (const c of text) {
        if (!parts.has(c)) parts.set(c, plain(c));
        const to = parts.get(c);
        if (!to && within(rules.bars, c.codePointAt(0))) settle();
        for (const part of to) {
          if (order.has(part)) marks.push(part);
          else {
            if (marks.length) settle();
            out += part;
          }
        }
      }
      settle();
      return out;
    }

    function words(text) {
      const found = [];
      let word = "";
      const end = () => {
        if (word) found.push(word);
        word = "";
      };
      for (const c of normalise(text)) {
        const sign = within(rules.punctuation, c.codePointAt(0));
        if (sign || blank.has(c)) end();
        if (sign) found.push(c);
        else if (!blank.has(c)) word += c;
      }
      end();
      return found;
    }

    /** The longest pieces first; a word that they do not fill is unknown as a whole. */
    function pieces(word) {
      const characters = [...word], found = [];
      if (characters.length > rules.longest) return [rules.unknown];
      for (let start = 0; start < characters.length; ) {
        let end = Math.min(characters.length, start + longestPiece), id;
        for (; end > start; end--) {
          id = ids.get((start ? rules.prefix : "") + characters.slice(start, end).join(""));
          if (id !== undefined) break;
        }
        if (id === undefined) return [rules.unknown];
        found.push(id);
        start = end;
      }
      return found;
    }

    /** Tokens {id, token, word} of a text, at most maxLength, ends included; and how many of them were left out. */
    function cut(text, maxLength) {
      // Half of a character is none.
      const whole = text.replace(/[\ud800-\udfff]/gu, "");
      const around = (list) => list.map((id) => ({ id, token: rules.words[id], word: "" }));
      const inner = words(whole).flatMap((word) => pieces(word).map((id) => ({ id, token: rules.words[id], word })));
      const room = maxLength - rules.first.length - rules.last.length;
      return {
        tokens: [...around(rules.first), ...inner.slice(0, room), ...around(rules.last)],
        cut: Math.max(0, inner.length - room),
      };
    }
    return { cut, normalise, words, unknown: rules.unknown };
  }

  /** An encoder without layers: a vector is the weighted mean of its tokens' rows E(p) = RMSNorm(W T(p) + b). */
  function model(data) {
    const map = floats(data.map), bias = floats(data.bias), gain = floats(data.gain), weights = floats(data.weights);
    const width = gain.length, count = data.frequencies.length, period = data.period;
    const known = new Map();

    /** T(p): sines and cosines in turn. Whole turns are taken off in exact integers, before anything is rounded. */
    function waves(id) {
      const out = new Float64Array(2 * count), turns = 2 * period;
      data.frequencies.forEach((k, j) => {
        const phase = (((2 * id - period) * (k % turns)) % turns) * (Math.PI / period);
        out[2 * j] = Math.sin(phase);
        out[2 * j + 1] = Math.cos(phase);
      });
      return out;
    }

    function row(id) {
      const basis = waves(id), length = basis.length, out = new Float32Array(width);
      // Four sums at a time take half as long as one; those past the last are not kept.
      for (let i = 0; i < width; i += 4) {
        let at0 = i * length, at1 = at0 + length, at2 = at1 + length, at3 = at2 + length;
        let sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        for (let j = 0; j < length; j++) {
          const value = basis[j];
          sum0 += map[at0++] * value;
          sum1 += map[at1++] * value;
          sum2 += map[at2++] * value;
          sum3 += map[at3++] * value;
        }
        out.set([sum0, sum1, sum2, sum3].slice(0, width - i), i);
      }
      for (let i = 0; i < width; i++) out[i] += bias[i];
      const scale = 1 / Math.sqrt(dot(out, out) / width + data.eps);
      return out.map((value, i) => value * scale * gain[i]);
    }

    function rowOf(id) {
      if (!known.has(id)) known.set(id, row(id));
      return known.get(id);
    }

    /** The vector of ids; zeros of none. */
    function encode(ids) {
      const out = new Float64Array(width);
      let total = 0;
      for (const id of ids) {
        const values = rowOf(id), weight = weights[id];
        total += weight;
        for (let i = 0; i < width; i++) out[i] += weight * values[i];
      }
      return ids.length ? out.map((value) => value / total) : out;
    }
    return { encode, rowOf, waves, weights };
  }

  function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  const cosine = (a, b) => dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);

  function load(name, data, rules) {
    encoders.set(name, { cutter: tokenizer(rules), model: model(data), longest: data.max_seq_len });
  }

  function read(name, text) {
    const { cutter, model, longest } = encoders.get(name);
    const found = cutter.cut(text, longest);
    return { ...found, vector: model.encode(found.tokens.map(({ id }) => id)) };
  }

  /** What one sentence's tokens add to the cosine with the other's vector: a share each, which sum to it, and it without each. */
  function parts({ tokens, vector }, other, { rowOf, weights }) {
    const total = tokens.reduce((sum, { id }) => sum + weights[id], 0);
    const norms = Math.sqrt(dot(vector, vector) * dot(other, other)) || 1;
    return tokens.map(({ id }) => {
      const values = rowOf(id), part = weights[id] / total;
      const without = vector.map((value, i) => value - part * values[i]);
      return {
        weight: part,
        share: (part * dot(values, other)) / norms,
        without: tokens.length > 1 ? cosine(without, other) : null,
        row: values,
      };
    });
  }

  /** Everything about two texts but their neighbours. */
  function compare(name, first, second) {
    const start = performance.now(), { model, cutter } = encoders.get(name);
    const sides = [first, second].map((text) => read(name, text));
    const done = performance.now();
    const [a, b] = sides.map((side, i) => ({
      ...side,
      tokens: parts(side, sides[1 - i].vector, model).map((part, j) => ({
        ...side.tokens[j],
        ...part,
        isUnknown: side.tokens[j].id === cutter.unknown,
      })),
    }));
    const matrix = a.tokens.map((one) => b.tokens.map((other) => cosine(one.row, other.row)));
    return { sides: [a, b], matrix, cosine: cosine(a.vector, b.vector), milliseconds: done - start };
  }

  /** The cosines of two texts with every one of a list, and of all pairs of the list, sorted. */
  function neighbours(name, texts, list) {
    const encoder = encoders.get(name);
    encoder.list ??= list.map((text) => read(name, text).vector);
    encoder.pairs ??= encoder.list.flatMap((a, i) => encoder.list.slice(0, i).map((b) => cosine(a, b))).sort((a, b) => a - b);
    const near = texts.map((text) => {
      const { vector } = read(name, text);
      return encoder.list.map((other) => cosine(vector, other));
    });
    return { near, pairs: encoder.pairs };
  }

  return { load, read, compare, neighbours, tokenizer };
}
