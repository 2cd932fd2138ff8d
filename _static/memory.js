// What the reader has done, kept in this browser and nowhere else. Loaded in the head,
// before what asks for it.
//
// What is kept has a kind, a key that outlives numbers and titles (`TOPIC/CELL`, of a
// page without its number and the id of a cell; of a chapter, `TOPIC`) and a value:
//
//   section                      true: the reader has done it; false: has unticked it
//   exercise, chapter            true: the reader has done it
//   prediction                   {guess: a text or null, choice: a number or null}
//   question                     {choice: a number, right: true or false}
//   place                        under "last", the topic of the chapter last visited

const courseMemory = (() => {
  const KEY = "first-tensor";
  const VERSION = 1;
  const OLD_KEY = "first-tensor:finished"; // a list of pages, up to version 1.0

  const isDone = (value) => value === true;
  const isNumber = (value) => Number.isInteger(value) && value >= 0;
  const isObject = (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  // For each kind: what a value is, in words, and whether one is that.
  const KINDS = {
    section: ["true or false", (value) => typeof value === "boolean"],
    exercise: ["true", isDone],
    chapter: ["true", isDone],
    prediction: [
      "{guess: text or null, choice: number or null}",
      (value) =>
        isObject(value) &&
        (value.guess === null || typeof value.guess === "string") &&
        (value.choice === null || isNumber(value.choice)),
    ],
    question: [
      "{choice: number, right: true or false}",
      (value) =>
        isObject(value) && isNumber(value.choice) && typeof value.right === "boolean",
    ],
    place: ["text", (value) => typeof value === "string"],
  };

  function check(kind, ...values) {
    if (!Object.hasOwn(KINDS, kind))
      throw new Error(`kind is ${kind}, expected one of ${Object.keys(KINDS)}`);
    const [words, isRight] = KINDS[kind];
    for (const value of values)
      if (!isRight(value))
        throw new Error(`${kind}: expected ${words}, got ${JSON.stringify(value)}`);
  }

  function empty() {
    return Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, new Map()]));
  }

  // Of what is stored, all that can be read: an extension, or a person, may have been
  // at it.
  function parsed(text) {
    const known = empty();
    let stored;
    try {
      stored = JSON.parse(text);
    } catch {}
    if (!isObject(stored)) return known;
    for (const [kind, [, isRight]] of Object.entries(KINDS))
      if (isObject(stored[kind]))
        for (const [key, value] of Object.entries(stored[kind]))
          if (isRight(value)) known[kind].set(key, value);
    return known;
  }

  function exported() {
    const entries = Object.entries(held).map(([kind, map]) => [
      kind,
      Object.fromEntries([...map].sort()),
    ]);
    return {version: VERSION, ...Object.fromEntries(entries)};
  }

  // Where a browser keeps nothing, it is held as long as the page.
  let held = empty();
  function load() {
    try {
      const text = localStorage.getItem(KEY);
      held = parsed(text);
      if (text === null) takeOver();
    } catch {}
  }

  function save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(exported()));
    } catch {}
  }

  function takeOver() {
    let pages;
    try {
      pages = JSON.parse(localStorage.getItem(OLD_KEY));
    } catch {}
    if (!Array.isArray(pages)) return;
    for (const page of pages.filter((page) => typeof page === "string"))
      held.chapter.set(page.replace(/^.*\//, "").replace(/^\d+_/, ""), true);
    save();
    localStorage.removeItem(OLD_KEY);
  }

  const watchers = [];
  function tell() {
    for (const watcher of watchers) watcher();
  }

  // Another tab may have changed what is kept since this one looked.
  function change(act) {
    load();
    act();
    save();
    tell();
  }

  function get(kind, key) {
    check(kind);
    return held[kind].get(key);
  }

  function set(kind, key, value) {
    check(kind, value);
    change(() => held[kind].set(key, value));
  }

  function remove(kind, key) {
    check(kind);
    change(() => held[kind].delete(key));
  }

  function keys(kind) {
    check(kind);
    return [...held[kind].keys()];
  }

  function clear() {
    change(() => (held = empty()));
  }

  // What is there stays; where both know something, the file is right.
  function imported(object) {
    if (!isObject(object) || object.version !== VERSION)
      throw new Error(`expected an object whose version is ${VERSION}`);
    for (const [kind, entries] of Object.entries(object)) {
      if (kind === "version") continue;
      if (!isObject(entries)) throw new Error(`${kind}: expected an object`);
      check(kind, ...Object.values(entries));
    }
    change(() => {
      for (const kind of Object.keys(KINDS))
        for (const [key, value] of Object.entries(object[kind] ?? {}))
          held[kind].set(key, value);
    });
  }

  function watch(callback) {
    watchers.push(callback);
  }

  function reload() {
    load();
    tell();
  }
  addEventListener("storage", ({key}) => {
    if (key === KEY || key === null) reload();
  });
  addEventListener("pageshow", ({persisted}) => {
    if (persisted) reload(); // the page was out of sight, and heard of nothing
  });
  load();
  return {get, set, remove, keys, clear, exported, imported, watch};
})();
