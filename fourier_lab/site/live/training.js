// Training of the smallest encoder, embedding and mean, as fourier_lab.training computes it; a test holds the two together.
// It knows nothing of the page, so that it runs in a worker too.
"use strict";

function fourierTraining() {
  const NORM_EPS = 2 ** -23; // torch's for float32
  const [MEAN_DECAY, SQUARE_DECAY, ADAM_EPS, CLIP_EPS] = [0.9, 0.999, 1e-8, 1e-6];

  const parameter = (values, isDecayed) => ({
    values: Float64Array.from(values),
    gradient: new Float64Array(values.length),
    mean: new Float64Array(values.length),
    square: new Float64Array(values.length),
    isDecayed,
  });

  // The rows before their norm. `fill(p, rows)` computes the row of id p, `learn(p, gradient)` takes in what it should change.
  function fourier(basis, d, start) {
    const [map, bias] = [parameter(start.map, true), parameter(start.bias, false)];
    return {
      parameters: [map, bias],
      fill(p, rows) {
        const weights = map.values;
        for (let i = 0, k = 0; i < d; i++) {
          let sum = bias.values[i] + basis[p * d + i];
          for (let j = p * d; j < p * d + d; j++, k++) sum += weights[k] * basis[j];
          rows[p * d + i] = sum;
        }
      },
      learn(p, gradient) {
        const weights = map.gradient;
        for (let i = 0, k = 0; i < d; i++) {
          const slope = gradient[i];
          bias.gradient[i] += slope;
          for (let j = p * d; j < p * d + d; j++, k++) weights[k] += slope * basis[j];
        }
      },
    };
  }

  function learned(d, start) {
    const table = parameter(start.table, true);
    return {
      parameters: [table],
      fill(p, rows) {
        for (let i = p * d; i < p * d + d; i++) rows[i] = table.values[i];
      },
      learn(p, gradient) {
        for (let i = 0; i < d; i++) table.gradient[p * d + i] += gradient[i];
      },
    };
  }

  // E(p) = RMSNorm of those rows.
  function embedding(rows, V, d) {
    const gain = parameter(new Float64Array(d).fill(1), false);
    const [before, inverse, after] = [new Float64Array(V * d), new Float64Array(V), new Float64Array(V * d)];
    const inner = new Float64Array(d);
    return {
      parameters: [...rows.parameters, gain],
      compute(ids) {
        for (const p of ids) {
          rows.fill(p, before);
          let sum = 0;
          for (let i = p * d; i < p * d + d; i++) sum += before[i] * before[i];
          inverse[p] = 1 / Math.sqrt(sum / d + NORM_EPS);
          for (let i = 0; i < d; i++) after[p * d + i] = before[p * d + i] * inverse[p] * gain.values[i];
        }
        return after;
      },
      learn(ids, gradients) {
        for (const p of ids) {
          const scale = inverse[p];
          let along = 0;
          for (let i = 0; i < d; i++) {
            const product = gradients[p * d + i] * before[p * d + i];
            gain.gradient[i] += product * scale;
            along += product * gain.values[i];
          }
          along *= (scale * scale) / d;
          for (let i = 0; i < d; i++) inner[i] = scale * (gradients[p * d + i] * gain.values[i] - before[p * d + i] * along);
          rows.learn(p, inner);
        }
      },
    };
  }

  // Ids of chosen sentences, one array each.
  function cut({ ids, lengths }, newId) {
    let start = 0;
    return Array.from(lengths, (length) => Uint16Array.from(ids.subarray(start, (start += length)), (id) => newId[id]));
  }

  function means(rows, sentences, d) {
    const vectors = new Float64Array(sentences.length * d);
    sentences.forEach((ids, n) => {
      for (const p of ids) add(vectors, n * d, 1 / ids.length, rows, p * d, d);
    });
    return vectors;
  }

  function dot(a, i, b, j, d) {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += a[i + k] * b[j + k];
    return sum;
  }

  // Add `share` times d numbers of b from j on to those of a from i on.
  function add(a, i, share, b, j, d) {
    for (let k = 0; k < d; k++) a[i + k] += share * b[j + k];
  }

  // Vectors of length 1, and the lengths before.
  function directions(vectors, d) {
    const [unit, norms] = [new Float64Array(vectors.length), new Float64Array(vectors.length / d)];
    for (let n = 0; n < norms.length; n++) {
      norms[n] = Math.max(1e-12, Math.sqrt(dot(vectors, n * d, vectors, n * d, d)));
      add(unit, n * d, 1 / norms[n], vectors, n * d, d);
    }
    return { unit, norms };
  }

  /* Symmetric cross-entropy of n anchors, each with the positive of its number among n, in nats: the first n vectors are anchors.

  `slopes()` has the gradients by the vectors and by the logarithm of the scale. */
  function contrast(vectors, d, scale) {
    const n = vectors.length / d / 2;
    const { unit, norms } = directions(vectors, d);
    const [logits, powers] = [new Float64Array(n * n), new Float64Array(n * n)];
    const [rowSum, columnSum] = [new Float64Array(n), new Float64Array(n)];
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        const logit = scale * dot(unit, a * d, unit, (n + b) * d, d);
        const power = Math.exp(logit - scale); // at most 1, as a cosine is
        logits[a * n + b] = logit;
        powers[a * n + b] = power;
        rowSum[a] += power;
        columnSum[b] += power;
      }
    }
    let loss = scale;
    for (let a = 0; a < n; a++) loss += ((Math.log(rowSum[a]) + Math.log(columnSum[a])) / 2 - logits[a * n + a]) / n;

    function slopes() {
      const [byUnit, gradients] = [new Float64Array(vectors.length), new Float64Array(vectors.length)];
      let byScale = 0;
      for (let a = 0; a < n; a++) {
        for (let b = 0; b < n; b++) {
          const share = (powers[a * n + b] / rowSum[a] + powers[a * n + b] / columnSum[b]) / 2;
          const slope = (a === b ? share - 1 : share) / n;
          byScale += slope * logits[a * n + b];
          add(byUnit, a * d, scale * slope, unit, (n + b) * d, d);
          add(byUnit, (n + b) * d, scale * slope, unit, a * d, d);
        }
      }
      for (let m = 0; m < 2 * n; m++) {
        const along = dot(byUnit, m * d, unit, m * d, d) / norms[m];
        add(gradients, m * d, 1 / norms[m], byUnit, m * d, d);
        add(gradients, m * d, -along, unit, m * d, d);
      }
      return { gradients, byScale };
    }

    return { loss, slopes };
  }

  // AdamW of step 1, 2, ... after the gradients of all are cut to a common norm; they are zero afterwards.
  function update(parameters, step, rate, { decay, clip }) {
    let norm = 0;
    for (const { gradient } of parameters) for (const value of gradient) norm += value * value;
    const share = Math.min(1, clip / (Math.sqrt(norm) + CLIP_EPS));
    const [meanLeft, squareLeft] = [1 - MEAN_DECAY ** step, 1 - SQUARE_DECAY ** step];
    for (const { values, gradient, mean, square, isDecayed } of parameters) {
      for (let i = 0; i < values.length; i++) {
        const slope = share * gradient[i];
        if (isDecayed) values[i] *= 1 - rate * decay;
        mean[i] += (1 - MEAN_DECAY) * (slope - mean[i]);
        square[i] += (1 - SQUARE_DECAY) * (slope * slope - square[i]);
        values[i] -= ((rate / meanLeft) * mean[i]) / (Math.sqrt(square[i] / squareLeft) + ADAM_EPS);
      }
      gradient.fill(0);
    }
  }

  // Places in order of size, equal values in the middle of theirs.
  function ranks(values) {
    const order = Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b]);
    const found = new Float64Array(values.length);
    for (let i = 0, j; i < order.length; i = j) {
      for (j = i; j < order.length && values[order[j]] === values[order[i]]; ) j++;
      for (let k = i; k < j; k++) found[order[k]] = (i + j - 1) / 2;
    }
    return found;
  }

  function correlation(a, b) {
    const mean = (a.length - 1) / 2; // of any ranks
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      ab += (a[i] - mean) * (b[i] - mean);
      aa += (a[i] - mean) ** 2;
      bb += (b[i] - mean) ** 2;
    }
    return ab / Math.sqrt(aa * bb);
  }

  // Bounds of n things in parts as equal as can be, the larger first.
  function bounds(n, parts) {
    const [size, larger] = [Math.floor(n / parts), n % parts];
    return Array.from({ length: parts + 1 }, (_, i) => i * size + Math.min(i, larger));
  }

  /* One run. `advance()` trains to the next row of its history and returns it, or null after the last.

  `basis` holds T(p) of all ids, `start` the first weights, `newId` the id of each token, `batches` pairs of one step after the
  other. A row has the mean loss since the last row and, at every tenth and the last, loss and score of the held-out pairs. */
  function run({ arm, basis, start, newId, batches, train, validation, graded, settings }) {
    const { V, d, batch, steps, warmup, rate, points, looks, lookBatch, temperature, maxScale } = settings;
    const model = embedding(arm === "fourier" ? fourier(basis, d, start) : learned(d, start), V, d);
    const logScale = parameter([-Math.log(temperature)], false);
    const parameters = [...model.parameters, logScale];
    const pairs = cut(train, newId), heldOut = cut(validation, newId), judged = cut(graded, newId);
    const [nPairs, nHeldOut, nJudged] = [pairs, heldOut, judged].map((sentences) => sentences.length / 2);
    const wanted = ranks(graded.scores);
    const every = Math.max(1, Math.floor(steps / points));
    const scale = () => Math.min(maxScale, Math.exp(logScale.values[0]));
    const everyId = Array.from({ length: V }, (_, p) => p);
    let step = 0;

    function oneStep() {
      const chosen = batches.subarray(step * batch, step * batch + batch);
      const sentences = [...Array.from(chosen, (i) => pairs[i]), ...Array.from(chosen, (i) => pairs[nPairs + i])];
      const ids = new Set(sentences.flatMap((sentence) => [...sentence]));
      const { loss, slopes } = contrast(means(model.compute(ids), sentences, d), d, scale());
      const { gradients, byScale } = slopes();
      const byRow = new Float64Array(V * d);
      sentences.forEach((sentence, n) => {
        for (const p of sentence) add(byRow, p * d, 1 / sentence.length, gradients, n * d, d);
      });
      model.learn(ids, byRow);
      if (Math.exp(logScale.values[0]) <= maxScale) logScale.gradient[0] = byScale;
      const share = step < warmup ? (step + 1) / warmup : (steps - step) / Math.max(1, steps - warmup);
      update(parameters, ++step, rate * share, settings);
      return loss;
    }

    function look() {
      const rows = model.compute(everyId);
      const ends = bounds(nHeldOut, Math.max(1, Math.floor(nHeldOut / lookBatch)));
      const losses = ends.slice(1).map((end, i) => {
        const sentences = [...heldOut.slice(ends[i], end), ...heldOut.slice(nHeldOut + ends[i], nHeldOut + end)];
        return contrast(means(rows, sentences, d), d, scale()).loss;
      });
      const { unit } = directions(means(rows, judged, d), d);
      const cosines = Float64Array.from({ length: nJudged }, (_, n) => dot(unit, n * d, unit, (nJudged + n) * d, d));
      return {
        validationLoss: losses.reduce((a, b) => a + b) / losses.length,
        score: 100 * correlation(ranks(cosines), wanted),
      };
    }

    let started = false;
    function advance() {
      if (!started) {
        started = true;
        return { step: 0, loss: null, scale: scale(), ...look() };
      }
      if (step >= steps) return null;
      const losses = [];
      do losses.push(oneStep());
      while (step % every !== 0 && step < steps);
      const due = step % (every * Math.floor(points / looks)) === 0 || step === steps;
      const seen = due ? look() : { validationLoss: null, score: null };
      return { step, loss: losses.reduce((a, b) => a + b) / losses.length, scale: scale(), ...seen };
    }

    return { advance };
  }

  return { run };
}
