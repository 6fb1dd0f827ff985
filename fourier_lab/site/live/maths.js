// What T(p) is and tells apart, as fourier_lab.embeddings.basis and fourier_lab.geometry.resolution compute it; a test holds
// the two together. Ids, frequencies and periods are whole numbers below 2^26, so that every product of two is exact.
"use strict";

const Maths = (() => {
  const remainder = (a, m) => ((a % m) + m) % m;

  // K frequencies of a set that follows from a formula; those that are drawn come from the library, as data.
  function harmonic(n) {
    return Array.from({ length: n }, (_, j) => j + 1);
  }

  // About geometric from 1 to below half the period, without repeats.
  function logarithmic(period, n) {
    const highest = Math.floor((period - 1) / 2);
    let above = -Infinity;
    return Array.from({ length: n }, (_, j) => {
      const spaced = n === 1 ? 1 : Math.round(Math.exp((Math.log(highest) * j) / (n - 1)));
      above = Math.max(above, spaced - j);
      return Math.min(above + j, highest - (n - 1 - j));
    });
  }

  // T(p): column 2j is sin(k_j pi x), column 2j + 1 is cos(k_j pi x), with x = 2 p / M - 1.
  function row(p, frequencies, period) {
    const features = new Float64Array(2 * frequencies.length);
    frequencies.forEach((k, j) => {
      const phase = remainder((2 * p - period) * (k % (2 * period)) + period, 2 * period) - period;
      const angle = (phase / period) * Math.PI;
      features[2 * j] = Math.sin(angle);
      features[2 * j + 1] = Math.cos(angle);
    });
    return features;
  }

  // Cosine between T(p) and T(p + lag), the same for every p, for each of the lags.
  function kernel(frequencies, period, lags) {
    const cosines = Float64Array.from({ length: period }, (_, i) => Math.cos((2 * Math.PI * i) / period));
    const folded = frequencies.map((k) => k % period);
    return lags.map((lag) => {
      const step = remainder(lag, period);
      let sum = 0;
      for (const k of folded) sum += cosines[(k * step) % period];
      return sum / folded.length;
    });
  }

  // Distance of two rows in units of their common norm.
  const distance = (cosine) => Math.sqrt(Math.max(0, 2 - 2 * cosine));

  const gcd = (a, b) => (b ? gcd(b, a % b) : a);

  // After how many ids T(p) repeats exactly.
  const rowPeriod = (frequencies, period) => period / frequencies.reduce(gcd, period);

  // Shares of tokens that fall as 1 / (id + 1).
  function zipf(n) {
    const mass = Float64Array.from({ length: n }, (_, i) => 1 / (i + 1));
    const sum = mass.reduce((a, b) => a + b);
    return mass.map((share) => share / sum);
  }

  // Shares summed over the ids that a period puts on one row.
  function fold(mass, period) {
    const folded = new Float64Array(Math.min(mass.length, period));
    mass.forEach((share, p) => (folded[p % period] += share));
    return folded;
  }

  // What is left of a vocabulary with a period of M ids: rows, ids on the fullest, share of tokens not the most frequent of theirs.
  function folding(mass, period) {
    const best = new Float64Array(Math.min(mass.length, period));
    mass.forEach((share, p) => (best[p % period] = Math.max(best[p % period], share)));
    const kept = best.reduce((a, b) => a + b);
    return { rows: best.length, largest: Math.ceil(mass.length / period), lost: 1 - kept };
  }

  // Shares summed over n equal ranges of ids, the cells that n features resolve.
  function cells(mass, n) {
    const summed = new Float64Array(n);
    mass.forEach((share, p) => (summed[Math.floor((p * n) / mass.length)] += share));
    return summed;
  }

  // How many equal classes would be as hard to guess.
  function effectiveNumber(mass) {
    const sum = mass.reduce((a, b) => a + b);
    return Math.exp(-mass.reduce((total, share) => total + (share > 0 ? (share / sum) * Math.log(share / sum) : 0), 0));
  }

  return { cells, distance, effectiveNumber, fold, folding, harmonic, kernel, logarithmic, row, rowPeriod, zipf };
})();
