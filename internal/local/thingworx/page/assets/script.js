// Puts what the stream sends in its place. All HTML in it was made and escaped by the server's templates.
"use strict";
(function () {
  const address = document.body.dataset.stream;
  if (!address) return;
  const live = document.getElementById("live");

  function say(text, on) {
    live.textContent = text;
    live.classList.toggle("on", on);
  }

  // thingOf is the name of the Thing that an element is about: properties of different Things may have the same name.
  function thingOf(element) {
    const holder = element.closest("[data-thing]");
    return holder ? holder.dataset.thing : "";
  }

  function rowsOf(box) {
    const rows = new Map();
    for (const row of box.querySelectorAll("[data-property]")) rows.set(thingOf(row) + "\n" + row.dataset.property, shown(row));
    return rows;
  }

  // shown is what makes a row flash when it changes: its value and quality, not its time.
  function shown(row) {
    const quality = row.querySelector(".quality");
    return row.querySelector(".value").title + "\n" + (quality ? quality.textContent : "");
  }

  // replace puts new content in a box, marks the rows that are not as they were, and keeps the keyboard's place.
  function replace(box, html) {
    const before = rowsOf(box);
    const active = document.activeElement;
    const focus = box.contains(active) ? active.dataset.focus : undefined;
    box.innerHTML = html;
    for (const row of box.querySelectorAll("[data-property]")) {
      if (before.get(thingOf(row) + "\n" + row.dataset.property) !== shown(row)) row.classList.add("flash");
    }
    if (focus === undefined) return;
    for (const element of box.querySelectorAll("[data-focus]")) {
      if (element.dataset.focus === focus) { element.focus({ preventScroll: true }); break; }
    }
  }

  // replaceThing puts the content of a new card into the old one.
  function replaceThing(name, html) {
    for (const card of document.querySelectorAll("#things [data-thing]")) {
      if (card.dataset.thing !== name) continue;
      const holder = document.createElement("template");
      holder.innerHTML = html.trim();
      replace(card, holder.content.firstElementChild.innerHTML);
      return;
    }
  }

  const stream = new EventSource(address);
  stream.onopen = () => say("live", true);
  stream.onerror = () => say("the platform does not answer, trying again", false);
  stream.onmessage = (event) => {
    const update = JSON.parse(event.data);
    if (update.things !== undefined) replace(document.getElementById("things"), update.things);
    for (const name in update.changed || {}) replaceThing(name, update.changed[name]);
    for (const id in update.parts || {}) {
      const box = document.getElementById(id);
      if (box && box.innerHTML !== update.parts[id]) replace(box, update.parts[id]);
    }
  };
  window.addEventListener("pagehide", () => stream.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
