"use strict";
// The encoder: text to ids, ids to rows, rows to a vector. It knows nothing of the page, so that it runs in a worker too.

function fourierEncoder() {
  const READ = 5000; // ids for which sums beforehand have to pay
  const encoders = new Map();

  function bytes(base64) {
    const text = atob(base64), found = new Uint8Array(text.length);
    for (let i = 0; i < found.length; i++) found[i] = text.charCodeAt(i);
    return found.buffer; // little-endian, as every machine with a browser is
  }

  const floats = (base64) => new Float32Array(bytes(base64));

  /** Numbers of 16 bits: a sign, five bits of an exponent, ten of a fraction. */
  function halves(base64) {
    return Float32Array.from(new Uint16Array(bytes(base64)), (bits) => {
      const exponent = (bits >> 10) & 31, fraction = (bits & 1023) / 1024;
      const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
      return bits >> 15 ? -size : size;
    });
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

  /* The sums W T(p) + b of every id p, each from a few products: W T(p) is a Fourier sum over p, of one period, so that a divisor
  splits it as in a fast Fourier transform (Cooley & Tukey 1965). With k = a + step q and step = period / divisor, the angle
  2 pi k p / period is 2 pi a p / period + 2 pi q p / divisor. The second part is the same for all ids of one remainder by the
  divisor: for each of these, sines and cosines that share an a are summed beforehand. */
  function fourierSums(map, bias, frequencies, period) {
    const width = bias.length;
    const rest = (k, n) => ((k % n) + n) % n;
    const turn = (k, p, n) => (2 * Math.PI * ((k * p) % n)) / n;
    const slow = (k, step) => Math.min(rest(k, step), step - rest(k, step)); // a, or -a of the frequency -k, which is as good
    const work = (divisor) => 2 * divisor * frequencies.length + READ * new Set(frequencies.map((k) => slow(k, period / divisor))).size;
    const divisors = Array.from({ length: period }, (_, i) => i + 1).filter((n) => period % n === 0);
    const divisor = divisors.map((n) => [work(n), n]).reduce((best, next) => (next[0] < best[0] ? next : best))[1];
    const step = period / divisor, shared = [...new Set(frequencies.map((k) => slow(k, step)))];
    const place = new Map(shared.map((a, i) => [a, 2 * width * i])), size = 2 * width * shared.length;
    const sums = new Float32Array(divisor * size), sines = new Float64Array(width), cosines = new Float64Array(width);
    frequencies.forEach((k, j) => {
      const a = slow(k, step), mirror = rest(k, step) === a ? 1 : -1, q = rest((mirror * k - a) / step, divisor);
      const sign = k % 2 ? -1 : 1; // ids begin at x = -1: k half turns
      for (let i = 0, from = 2 * j; i < width; i++, from += 2 * frequencies.length) {
        sines[i] = mirror * sign * map[from];
        cosines[i] = sign * map[from + 1];
      }
      for (let p = 0; p < divisor; p++) {
        const cosine = Math.cos(turn(q, p, divisor)), sine = Math.sin(turn(q, p, divisor));
        for (let i = 0, at = p * size + place.get(a); i < width; i++, at++) {
          sums[at] += sines[i] * cosine - cosines[i] * sine;
          sums[at + width] += sines[i] * sine + cosines[i] * cosine;
        }
      }
    });

    return (id) => {
      const out = Float64Array.from(bias);
      for (let n = 0, at = (id % divisor) * size; n < shared.length; n++, at += 2 * width) {
        const angle = turn(shared[n], id, period), sine = Math.sin(angle), cosine = Math.cos(angle);
        for (let i = 0; i < width; i++) out[i] += sine * sums[at + i] + cosine * sums[at + width + i];
      }
      return out;
    };
  }

  /** An encoder without layers: a vector is the weighted mean of its tokens' rows E(p) = RMSNorm(W T(p) + b). */
  function model(data) {
    const gain = floats(data.gain), weights = floats(data.weights), width = gain.length;
    const sum = fourierSums(floats(data.map), floats(data.bias), data.frequencies, data.period);
    const known = new Map();

    function rowOf(id) {
      if (!known.has(id)) known.set(id, normed(sum(id), gain, data.eps));
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
    return { encode, rowOf, weights };
  }

  /** RMSNorm, times its gain. */
  function normed(x, gain, eps) {
    const scale = 1 / Math.sqrt(dot(x, x) / x.length + eps), out = new Float32Array(x.length);
    for (let i = 0; i < out.length; i++) out[i] = x[i] * scale * gain[i];
    return out;
  }

  /** An encoder with layers: attention and feed-forward after each other, the mean of the states, a pooler. */
  function layered({ embedding, layers, pooler, heads, eps }) {
    const read = (part) => Object.fromEntries(Object.entries(part).map(([name, packed]) => [name, halves(packed)]));
    const gain = halves(embedding.gain), width = gain.length, table = embedding.table && halves(embedding.table);
    const sum = table || fourierSums(floats(embedding.map), floats(embedding.bias), embedding.frequencies, embedding.period);
    const blocks = layers.map(read), pool = read(pooler), head = width / heads;

    function rowOf(id) {
      return normed(table ? table.subarray(id * width, (id + 1) * width) : sum(id), gain, eps);
    }

    /** W x + b of the matrix of this name. */
    function linear(x, part, name) {
      const weight = part[`${name}.weight`];
      return part[`${name}.bias`].map((start, i) => {
        let total = start;
        for (let j = 0, at = i * x.length; j < x.length; j++, at++) total += weight[at] * x[j];
        return total;
      });
    }

    /** Pairs (x[i], x[i + w/2]) of each head, turned by the place in the sentence. */
    function rotated(x, place) {
      const out = x.slice(), half = head / 2;
      for (let start = 0; start < width; start += head) {
        for (let i = 0; i < half; i++) {
          const angle = place * 10000 ** (-i / half), cosine = Math.cos(angle), sine = Math.sin(angle);
          const a = x[start + i], b = x[start + i + half];
          out[start + i] = a * cosine - b * sine;
          out[start + i + half] = b * cosine + a * sine;
        }
      }
      return out;
    }

    function attended(states, part) {
      const all = states.map((x) => linear(x, part, "qkv"));
      const [queries, keys] = [0, width].map((at) => all.map((x, place) => rotated(x.subarray(at, at + width), place)));
      return queries.map((query) => {
        const mixed = new Float32Array(width);
        for (let start = 0; start < width; start += head) {
          const part = (x) => x.subarray(start, start + head);
          const scores = keys.map((key) => dot(part(query), part(key)) / Math.sqrt(head)), most = Math.max(...scores);
          const shares = scores.map((score) => Math.exp(score - most)), total = shares.reduce((a, b) => a + b);
          shares.forEach((share, n) => {
            for (let i = start; i < start + head; i++) mixed[i] += (share / total) * all[n][2 * width + i];
          });
        }
        return linear(mixed, part, "out");
      });
    }

    function fed(x, part) {
      const both = linear(x, part, "w1"), hidden = both.length / 2;
      return linear(both.subarray(0, hidden).map((gate, i) => gelu(gate) * both[hidden + i]), part, "w2");
    }

    const plus = (x, y) => x.map((value, i) => value + y[i]);

    function encode(ids) {
      let states = ids.map(rowOf);
      for (const part of blocks) {
        const mixed = attended(states, part);
        states = states.map((x, n) => normed(plus(x, mixed[n]), part.norm1, eps));
        states = states.map((x) => normed(plus(x, fed(x, part)), part.norm2, eps));
      }
      const mean = new Float32Array(width).map((_, i) => states.reduce((total, x) => total + x[i], 0) / states.length);
      return linear(mean, pool, "pooler").map(Math.tanh);
    }
    return { encode, rowOf };
  }

  /** GELU by the error function, that by a polynomial within 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26). */
  function gelu(x) {
    const z = Math.abs(x) / Math.SQRT2, t = 1 / (1 + 0.3275911 * z);
    const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    const erf = 1 - sum * Math.exp(-z * z);
    return (x / 2) * (1 + (x < 0 ? -erf : erf));
  }

  function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  }

  const cosine = (a, b) => dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);

  function load(name, data, rules) {
    const made = data.layers ? layered(data) : model(data);
    encoders.set(name, { cutter: tokenizer(rules), model: made, longest: data.max_seq_len });
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

  /** The cosine of two texts alone, and how many of their tokens are unknown. */
  function alike(name, ...texts) {
    const { cutter } = encoders.get(name), [a, b] = texts.map((text) => read(name, text));
    return { cosine: cosine(a.vector, b.vector), unknown: [...a.tokens, ...b.tokens].filter(({ id }) => id === cutter.unknown).length };
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

  return { load, read, compare, alike, neighbours, tokenizer };
}
