// Search over the site: sections that have all words of the query, those with a word in their heading first.
"use strict";

(() => {
  const [SHOWN, AROUND] = [40, 90]; // sections listed, characters on each side of a match
  const query = document.getElementById("query");
  const count = document.getElementById("count");
  const list = document.getElementById("found");
  const sections = LabData.search.map((section) => ({ ...section, lower: `${section.heading} ${section.text}`.toLowerCase() }));

  function snippet(section, word) {
    const at = section.text.toLowerCase().indexOf(word);
    const start = Math.max(0, at - AROUND);
    const piece = document.createElement("p");
    if (at < 0) piece.textContent = `${section.text.slice(0, 2 * AROUND)} …`;
    else {
      const mark = Object.assign(document.createElement("mark"), { textContent: section.text.slice(at, at + word.length) });
      piece.append(`${start ? "… " : ""}${section.text.slice(start, at)}`, mark, `${section.text.slice(at + word.length, at + AROUND)} …`);
    }
    return piece;
  }

  function search() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const inHeading = (section) => words.filter((word) => section.heading.toLowerCase().includes(word)).length;
    const found = words.length ? sections.filter((section) => words.every((word) => section.lower.includes(word))) : [];
    found.sort((a, b) => inHeading(b) - inHeading(a));
    const more = found.length > SHOWN ? ` The first ${SHOWN} are listed; add a word.` : "";
    if (!words.length) count.textContent = "";
    else if (!found.length) count.textContent = "No section has all these words. Leave one out, or shorten it.";
    else count.textContent = `${found.length} section${found.length === 1 ? "" : "s"}.${more}`;
    list.replaceChildren(...found.slice(0, SHOWN).map((section) => {
      const entry = document.createElement("li");
      const link = Object.assign(document.createElement("a"), { href: section.address, textContent: section.heading });
      entry.append(link, section.heading === section.page ? "" : `, in ${section.page}`, snippet(section, words[0]));
      return entry;
    }));
    history.replaceState(null, "", `#${encodeURIComponent(query.value)}`);
  }

  function read() {
    try {
      query.value = decodeURIComponent(location.hash.slice(1)).slice(0, query.maxLength);
    } catch {
      query.value = "";
    }
    search();
  }

  query.addEventListener("input", search);
  query.form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", read);
  read();
})();
