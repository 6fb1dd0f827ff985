// A lesson: what was found is hidden until its reader has written a prediction, which stays in this browser.
"use strict";

(() => {
  const form = document.getElementById("prediction");
  const guess = document.getElementById("guess");
  const found = document.getElementById("found");
  const note = document.getElementById("note");
  const [show, forget] = form.querySelectorAll("button");
  const answers = document.querySelectorAll("details.answer");
  const key = `fourier-lab/prediction/${guess.dataset.lesson}`;
  const KEPT = "What you write is kept in this browser only.";
  const LOST = "This browser keeps nothing for this page: what you write is gone with it.";

  // Pages may be forbidden to keep anything, as in a private window.
  function store(act) {
    try {
      return { value: act(localStorage), works: true };
    } catch {
      return { value: null, works: false };
    }
  }

  function reveal(isShown) {
    found.hidden = !isShown;
    show.hidden = isShown;
    forget.hidden = !isShown;
  }

  // What the address names, if it is anything here.
  function named() {
    try {
      return document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch {
      return null;
    }
  }

  // An address of something in what is hidden asks for it.
  function follow() {
    const target = named();
    if (!found.contains(target)) return;
    reveal(true);
    target.scrollIntoView();
  }

  const kept = store((storage) => storage.getItem(key));
  guess.value = kept.value ?? "";
  note.textContent = kept.works ? KEPT : LOST;
  reveal(Boolean(kept.value));
  for (const answer of answers) answer.open = false;
  follow();
  window.addEventListener("hashchange", follow);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!guess.value.trim()) {
      note.textContent = "Write down a guess first, however rough: a word or a number will do.";
      guess.focus();
      return;
    }
    note.textContent = store((storage) => storage.setItem(key, guess.value)).works ? KEPT : LOST;
    reveal(true);
    found.tabIndex = -1;
    found.focus({ preventScroll: true }); // the button that was pressed is gone
  });
  guess.addEventListener("change", () => {
    if (!found.hidden && guess.value.trim()) store((storage) => storage.setItem(key, guess.value));
  });
  form.addEventListener("reset", () => {
    store((storage) => storage.removeItem(key));
    reveal(false);
    guess.focus();
  });
  window.addEventListener("beforeprint", () => {
    for (const answer of answers) answer.open = true;
  });
})();
