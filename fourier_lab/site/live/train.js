// Page that trains: both arms on ids in three orders, in a worker where there can be one, with curves as they grow.
"use strict";

(() => {
  const { arms, settings: fixed, command, colours, orders, frequencies, starts, batches, ...text } = LabData.training;
  const READ = { frequency: "ids by frequency", semantic: "ids by meaning", random: "ids shuffled" };
  const NAMES = { fourier: "Fourier", learned: "table" };
  const NARROW = 560; // a picture's width in pixels below which its panels stand one below the other
  const cases = Object.keys(orders).flatMap((order) => arms.map((arm) => ({ arm, order })));
  const buttons = Object.fromEntries(["start", "stop"].map((name) => [name, document.getElementById(name)]));
  const table = document.getElementById("table");
  const bar = document.getElementById("progress");
  let rows = []; // of all runs so far, each with the arm and order that it is of
  let ofRows = ""; // the settings that they were trained with
  let cancel = null; // of the training at work
  let seconds = null;

  const floats = (packed) => new Float32Array(Lab.bytes(packed));
  const counts = (packed) => new Uint16Array(Lab.bytes(packed));
  const pairs = ({ ids, lengths }) => ({ ids: counts(ids), lengths: new Uint8Array(Lab.bytes(lengths)) });

  // What the engine needs for each of the runs; only arrays and numbers, which a worker can be sent.
  function specifications({ set, seed, steps, rate }) {
    const k = frequencies[set][seed];
    const basis = Float64Array.from(Array.from({ length: fixed.V }, (_, p) => [...Maths.row(p, k, fixed.V - 1)]).flat());
    const given = Object.fromEntries(Object.entries(starts[seed]).map(([name, packed]) => [name, floats(packed)]));
    const start = { map: given["embedding.mlp.weight"], bias: given["embedding.mlp.bias"], table: given["embedding.table.weight"] };
    const [train, validation] = [text.train, text.validation].map(pairs);
    const graded = { ...pairs(text.graded), scores: counts(text.graded.places) };
    const settings = { ...fixed, steps, warmup: warmup(steps), rate: Number(rate) };
    const shared = { basis, start, train, validation, graded, settings, batches: counts(batches[seed]) };
    return cases.map(({ arm, order }) => ({ arm, newId: counts(orders[order]), ...shared }));
  }

  const warmup = (steps) => Math.floor(steps / 10);

  // All runs advance row by row, so that their curves grow side by side. `tell` gets the number of a run and its row.
  function* inTurn(engine, specs, tell) {
    const runs = specs.map((spec) => engine.run(spec));
    for (let going = true; going; ) {
      going = false;
      for (const [i, run] of runs.entries()) {
        const row = run.advance();
        if (row) tell(i, row);
        going ||= row !== null;
        yield;
      }
    }
  }

  // Returns what ends it early. Pages that were opened from a disk may not load a worker from a file, so that it gets its text.
  function train(specs, tell, finish) {
    let worker = null;
    let timer = 0;

    function here() {
      const steps = inTurn(fourierTraining(), specs, tell);
      const next = () => {
        if (steps.next().done) finish();
        else timer = setTimeout(next);
      };
      next();
    }

    try {
      const code = `${inTurn}
        const engine = (${fourierTraining})();
        onmessage = ({ data }) => {
          for (const _ of inTurn(engine, data, (i, row) => postMessage([i, row])));
          postMessage(null);
        };`;
      worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
      worker.onmessage = ({ data }) => (data ? tell(...data) : finish());
      worker.onerror = here;
      worker.postMessage(specs);
    } catch {
      here();
    }
    return () => {
      worker?.terminate();
      clearTimeout(timer);
    };
  }

  function show(isAtWork) {
    buttons.start.disabled = isAtWork;
    buttons.stop.disabled = !isAtWork;
    bar.hidden = !isAtWork;
  }

  function stop() {
    cancel?.();
    cancel = null;
    show(false);
  }

  function start() {
    const settings = page.settings();
    const begun = performance.now();
    [rows, seconds, ofRows] = [[], null, JSON.stringify(settings)];
    bar.value = 0;
    show(true);
    Lab.say([`Training ${Lab.plural(cases.length, "run")} of ${settings.steps} steps.`]);
    cancel = train(
      specifications(settings),
      (i, row) => {
        rows.push({ ...cases[i], ...row });
        bar.value = row.step / settings.steps;
        if (row.score !== null) page.redraw(); // curves have no other points
      },
      () => {
        seconds = (performance.now() - begun) / 1000;
        stop();
        page.redraw();
      },
    );
    buttons.stop.focus(); // the button that was pressed is out of reach now
  }

  const colourOf = ({ arm }, set) => colours[arm === "learned" ? "learned" : set];

  // One panel for each order of the ids, in them one line for each arm, named at its end.
  function drawCurves(id, quantity, settings, { label, domain, digits, dots = [] }) {
    const place = document.querySelector(`#${id} .chart`);
    const wide = place.clientWidth >= NARROW;
    const facet = wide ? "fx" : "fy";
    const told = rows.filter((row) => row[quantity] !== null);
    const last = cases.map((own) => told.findLast((row) => row.arm === own.arm && row.order === own.order)).filter(Boolean);
    const of = (row) => READ[row.order];
    const isUpper = (row) => last.every((other) => other.order !== row.order || other[quantity] <= row[quantity]);
    const stroke = (row) => colourOf(row, settings.set);
    const text = (row) => `${NAMES[row.arm]}\n${of(row)}\nstep ${row.step}: ${row[quantity].toFixed(digits)}`;
    const names = (upper) => Plot.text(last.filter((row) => isUpper(row) === upper), {
      x: "step", y: quantity, [facet]: of, text: (row) => NAMES[row.arm], fill: stroke, textAnchor: "start", dx: 5,
      lineAnchor: upper ? "bottom" : "top", fontWeight: "bold",
    });
    const ends = last.map((row) => `${NAMES[row.arm]}, ${of(row)}: ${row[quantity].toFixed(digits)}`);
    Lab.plot(id, `${label} at step ${last[0]?.step ?? 0} of ${settings.steps}. ${ends.join("; ") || "Nothing is trained yet"}.`, {
      height: wide ? 250 : 520,
      marginRight: 54,
      marginTop: 40,
      [facet]: { domain: Object.values(READ), axis: null, padding: 0.3 },
      x: { label: "steps", domain: [0, settings.steps], ticks: 3 },
      y: { label, domain, grid: true, ticks: 5 },
      marks: [
        Plot.frame({ stroke: "#ccc" }),
        Plot.text(Object.values(READ), { [facet]: (name) => name, text: (name) => name, frameAnchor: "top", dy: -14, fontWeight: "bold" }),
        ...dots,
        Plot.line(told, { x: "step", y: quantity, [facet]: of, z: "arm", stroke, strokeWidth: 2 }),
        names(true),
        names(false),
        Plot.tip(told, Plot.pointer({ x: "step", y: quantity, [facet]: of, title: text })),
      ],
    });
  }

  function fillTable() {
    if (!table.open) return;
    const number = (value, digits) => (value === null ? "" : value.toFixed(digits));
    const head = ["ids", "embedding", "step", "Spearman × 100", "held-out loss (nats)", "training loss (nats)", "scale"];
    const line = (row) => [
      READ[row.order], NAMES[row.arm], row.step, number(row.score, 4), number(row.validationLoss, 6), number(row.loss, 6),
      number(row.scale, 5),
    ];
    const ordered = cases.flatMap(({ arm, order }) => rows.filter((row) => row.arm === arm && row.order === order));
    table.lastElementChild.replaceChildren(Lab.table(head, ordered.filter((row) => row.score !== null).map(line)));
  }

  function told({ arm, order }) {
    const { score, validationLoss } = rows.findLast((row) => row.arm === arm && row.order === order && row.score !== null);
    return `${NAMES[arm]} ${score.toFixed(1)} (loss ${validationLoss.toFixed(2)})`;
  }

  function draw(settings) {
    if (ofRows && ofRows !== JSON.stringify(settings)) {
      stop();
      [rows, ofRows, seconds] = [[], "", null];
    }
    const guessing = Math.log(fixed.lookBatch);
    drawCurves("score", "score", settings, { label: "Spearman × 100", domain: [0, 100], digits: 1 });
    drawCurves("loss", "validationLoss", settings, {
      label: "loss (nats)", domain: [0, Math.ceil(guessing)], digits: 2,
      dots: [Plot.ruleY([guessing], { stroke: "#777", strokeDasharray: "4 3" })],
    });
    fillTable();
    if (!ofRows) Lab.say(["Nothing is trained with these settings yet: press Train."]);
    if (seconds !== null) {
      Lab.say([
        `${Lab.plural(cases.length, "run")} of ${settings.steps} steps in ${seconds.toFixed(1)} s, in this browser.`,
        ...Object.keys(orders).map((order) => `${READ[order].replace("i", "I")}: ${arms.map((arm) => told({ arm, order })).join(", ")}.`),
      ]);
      buttons.start.form.dataset.trained = seconds;
    } else delete buttons.start.form.dataset.trained;
    document.getElementById("command").textContent = `${command} --arm ${arms.join(",")} --id-order ${Object.keys(orders).join(",")}`
      + ` --frequencies ${settings.set} --steps ${settings.steps} --warmup-steps ${warmup(settings.steps)}`
      + ` --learning-rate ${settings.rate} --seed ${settings.seed}`;
  }

  const page = Lab.explore({ draw });
  table.addEventListener("toggle", () => page.redraw());
  buttons.start.addEventListener("click", start);
  buttons.stop.addEventListener("click", () => {
    stop();
    Lab.say(["Stopped. Press Train to begin anew."]);
    buttons.start.focus();
  });
})();
