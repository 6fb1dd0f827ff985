// A cloud of points on a canvas: pan, zoom, nearest point, lasso, marks with words, and a glide from one set of places to the next.
"use strict";

class Cloud {
  // on.hover(id or null), on.pick(id), on.lasso(ids); wantsLasso() says whether a drag draws one.
  constructor(canvas, on) {
    Object.assign(this, { canvas, on, x: [], y: [], colours: [], marks: [], path: null });
    this.paper = canvas.getContext("2d");
    this.home();
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => this.forget());
    canvas.addEventListener("pointerleave", () => on.hover(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), this.place(event));
    }, { passive: false });
  }

  home() {
    this.view = { x: 0, y: 0, zoom: 1 };
  }

  // Show points at places in [-1, 1]; they glide there from where they are if there are as many.
  show(x, y, colours) {
    const [from, still] = [{ x: this.x, y: this.y }, matchMedia("(prefers-reduced-motion: reduce)").matches];
    this.colours = colours;
    cancelAnimationFrame(this.frame);
    const start = performance.now();
    const step = (now) => {
      const t = still || from.x.length !== x.length ? 1 : Math.min(1, (now - start) / Cloud.GLIDE_MS);
      const ease = t * t * (3 - 2 * t);
      this.x = t === 1 ? x : x.map((end, i) => from.x[i] + ease * (end - from.x[i]));
      this.y = t === 1 ? y : y.map((end, i) => from.y[i] + ease * (end - from.y[i]));
      this.paint();
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    step(start);
  }

  // Marks are {id, word, strong}.
  mark(marks) {
    this.marks = marks;
    this.paint();
  }

  // Pixels a unit, and the pixel of the middle.
  scale() {
    const { width, height } = this.canvas;
    return { unit: (this.view.zoom * Math.min(width, height)) / 2.1, middle: [width / 2, height / 2] };
  }

  pixel(x, y) {
    const { unit, middle } = this.scale();
    return [middle[0] + (x - this.view.x) * unit, middle[1] - (y - this.view.y) * unit];
  }

  // The pixel of the canvas that an event is at.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * this.canvas.width) / box.width, ((event.clientY - box.top) * this.canvas.height) / box.height];
  }

  paint() {
    const { canvas, paper, view } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      Object.assign(canvas, { width, height });
      this.image = paper.createImageData(width, height);
    }
    const pixels = new Uint32Array(this.image.data.buffer).fill(0xffffffff);
    const { unit, middle } = this.scale();
    const size = Math.round(ratio * Math.min(5, 1.6 + Math.log2(view.zoom)));
    for (let i = this.x.length - 1; i >= 0; i -= 1) { // the rare below the frequent
      const left = Math.round(middle[0] + (this.x[i] - view.x) * unit - size / 2);
      const top = Math.round(middle[1] - (this.y[i] - view.y) * unit - size / 2);
      if (left < 0 || top < 0 || left + size >= width || top + size >= height) continue;
      for (let row = top; row < top + size; row += 1) {
        for (let column = left; column < left + size; column += 1) pixels[row * width + column] = this.colours[i];
      }
    }
    paper.putImageData(this.image, 0, 0);
    this.paintMarks(ratio);
    if (this.path) this.paintPath(ratio);
  }

  // Words in the order given, those left out that would cover an earlier one.
  paintMarks(ratio) {
    const { paper } = this;
    const taken = [];
    paper.textBaseline = "middle";
    for (const { id, word, strong } of this.marks) {
      if (id >= this.x.length) continue;
      const [x, y] = this.pixel(this.x[id], this.y[id]);
      paper.lineWidth = (strong ? 2 : 1) * ratio;
      paper.strokeStyle = "black";
      paper.beginPath();
      paper.arc(x, y, (strong ? 6 : 3.5) * ratio, 0, 2 * Math.PI);
      paper.stroke();
      paper.font = `${strong ? "bold " : ""}${(strong ? 14 : 12) * ratio}px system-ui, sans-serif`;
      const long = paper.measureText(word).width;
      const left = x + long + 10 * ratio > this.canvas.width ? x - long - 9 * ratio : x + 9 * ratio;
      const line = 13 * ratio;
      if (taken.some((other) => Math.abs(other.y - y) < line && left < other.right && other.left < left + long)) continue;
      taken.push({ left, right: left + long, y });
      paper.lineWidth = 3 * ratio;
      paper.strokeStyle = "rgba(255, 255, 255, 0.85)"; // a halo: words lie over points
      paper.strokeText(word, left, y);
      paper.fillStyle = "black";
      paper.fillText(word, left, y);
    }
  }

  paintPath(ratio) {
    const { paper } = this;
    paper.beginPath();
    this.path.forEach(([x, y]) => paper.lineTo(x, y));
    paper.closePath();
    paper.lineWidth = 1.5 * ratio;
    paper.strokeStyle = "#D55E00";
    paper.stroke();
  }

  nearest([left, top], reach) {
    const { unit, middle } = this.scale();
    const [x, y] = [(left - middle[0]) / unit + this.view.x, (middle[1] - top) / unit + this.view.y];
    let [best, away] = [null, (reach / unit) ** 2];
    for (let i = 0; i < this.x.length; i += 1) {
      const distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
      if (distance < away) [best, away] = [i, distance];
    }
    return best;
  }

  // By the rule of crossings: a point is inside if a ray from it crosses the lasso an odd number of times.
  within(path) {
    const found = [];
    for (let i = 0; i < this.x.length; i += 1) {
      const [x, y] = this.pixel(this.x[i], this.y[i]);
      let inside = false;
      path.forEach(([ax, ay], j) => {
        const [bx, by] = path[(j + 1) % path.length];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      });
      if (inside) found.push(i);
    }
    return found;
  }

  zoom(times, [left, top] = this.scale().middle) {
    const before = this.scale();
    const zoom = Math.min(200, Math.max(0.5, this.view.zoom * times));
    const keep = (1 - this.view.zoom / zoom) / before.unit; // what is under the pointer stays there
    this.view = { x: this.view.x + (left - before.middle[0]) * keep, y: this.view.y + (before.middle[1] - top) * keep, zoom };
    this.paint();
  }

  pan(right, down) {
    const { unit } = this.scale();
    this.view = { ...this.view, x: this.view.x - right / unit, y: this.view.y + down / unit };
    this.paint();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.start = this.last = this.place(event);
    if (this.on.wantsLasso() || event.shiftKey) this.path = [this.start];
  }

  move(event) {
    const at = this.place(event);
    if (this.path) {
      this.path.push(at);
      this.paint();
    } else if (this.last) {
      this.pan(at[0] - this.last[0], at[1] - this.last[1]);
      this.last = at;
    } else this.on.hover(this.nearest(at, Cloud.REACH));
  }

  release(event) {
    const [at, path] = [this.place(event), this.path];
    const moved = this.start && Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > 4;
    this.forget();
    if (path && path.length > 2) this.on.lasso(this.within(path));
    else if (!moved) {
      const id = this.nearest(at, Cloud.REACH);
      if (id !== null) this.on.pick(id);
    }
  }

  forget() {
    this.start = this.last = this.path = null;
    this.paint();
  }

  key(event) {
    const step = 40 * (window.devicePixelRatio || 1);
    const answers = {
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
      "+": () => this.zoom(1.4), "=": () => this.zoom(1.4), "-": () => this.zoom(1 / 1.4),
      0: () => (this.home(), this.paint()),
    };
    if (!answers[event.key]) return;
    event.preventDefault();
    answers[event.key]();
  }
}
Cloud.GLIDE_MS = 900;
Cloud.REACH = 14; // pixels from which a point is still meant
