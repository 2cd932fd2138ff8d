// What readers do inside a page: they guess before they see an answer, and they answer
// questions. memory.js remembers it, by the ids of cells. Words come from the page
// (_templates/reader.html).

(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  // What shows what is remembered; called after each change of it (watch).
  const painters = [];
  const paint = () => painters.forEach((painter) => painter());
  // Answers that a search or a link has led into: shown, though nobody has guessed.
  const found = new Set();

  // Whether the reader wants to see all answers, on every page of this browser. It is no
  // progress: a file of what they have done says nothing of it.
  const OPEN = "first-tensor:answers-shown";
  let isOpen = false;
  try {
    isOpen = localStorage.getItem(OPEN) !== null;
  } catch {} // a browser may keep nothing

  // In the head: what is not to be seen yet is never painted, and what is shown does not
  // come late. Without this script, all is shown.
  const curtain = document.head.appendChild(document.createElement("style"));
  const shown = courseMemory
    .keys("prediction")
    .map((key) => `, [data-answer=${JSON.stringify(key)}]`);
  if (!isOpen)
    curtain.textContent = `@media screen {
    .answer:not(#none${shown.join("")}) { display: none; } }`;

  // A screen reader says what changes here: nothing that stays is written again.
  function tell(element, ...parts) {
    const fresh = document.createElement("span");
    fresh.append(...parts);
    if (fresh.innerHTML !== element.innerHTML)
      element.replaceChildren(...fresh.childNodes);
  }

  function pose(box) {
    const key = box.dataset.prediction;
    const answers = all(`[data-answer="${key}"]`);
    const note = document.querySelector(`[data-note="${key}"]`);
    const [said, again] = note.children;
    const waiting = said.textContent;
    const form = box.querySelector("form");
    const buttons = all(":scope > .choices > li", box).map((item) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...(item.querySelector(":scope > p") ?? item).childNodes);
      item.replaceChildren(button);
      return button;
    });

    function commit(guess, choice) {
      courseMemory.set("prediction", key, {guess, choice});
      note.focus();
    }
    buttons.forEach((button, i) =>
      button.addEventListener("click", () => commit(null, i)),
    );
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      commit(form.elements[0].value.trim() || null, null);
    });
    again.addEventListener("click", () => {
      found.delete(key);
      courseMemory.remove("prediction", key);
      (buttons[0] ?? form.elements[0]).focus();
    });

    painters.push(() => {
      const kept = courseMemory.get("prediction", key);
      const chosen = buttons[kept?.choice];
      for (const answer of answers) {
        if (kept || isOpen || found.has(key)) answer.removeAttribute("hidden");
        else answer.setAttribute("hidden", "until-found");
      }
      for (const button of buttons) {
        button.disabled = Boolean(kept);
        button.setAttribute("aria-pressed", button === chosen);
      }
      if (form) form.hidden = Boolean(kept);
      again.hidden = !kept;
      note.hidden = !kept && (isOpen || found.has(key));
      note.classList.toggle("answered", Boolean(kept));
      if (!kept) return tell(said, waiting);
      const guess = document.createElement("strong");
      if (chosen) guess.append(...chosen.cloneNode(true).childNodes);
      else guess.append(kept.guess ?? "");
      // The sentence around it has a full stop of its own.
      let end = guess;
      while (end.lastChild) end = end.lastChild;
      if (end.data) end.data = end.data.replace(/[.。]\s*$/, "");
      const words = guess.textContent ? note.dataset.guessed : note.dataset.shown;
      const [before, after = ""] = words.split("{guess}");
      tell(said, before, ...(guess.textContent ? [guess] : []), after);
    });
  }

  function ask(question) {
    const key = question.dataset.question;
    const choices = all(":scope > details", question);
    choices.forEach((choice, i) =>
      choice.firstElementChild.addEventListener("click", () => {
        // Where all explanations are open, a press only closes one.
        if (isOpen || courseMemory.get("question", key)) return;
        const right = choice.classList.contains("right");
        courseMemory.set("question", key, {choice: i, right});
      }),
    );
    painters.push(() => {
      const kept = courseMemory.get("question", key);
      choices.forEach((choice, i) =>
        choice.classList.toggle("chosen", i === kept?.choice),
      );
    });
  }

  function count(score, questions) {
    const [said, again] = score.children;
    const keys = questions.map((question) => question.dataset.question);
    again.addEventListener("click", () => {
      for (const key of keys) courseMemory.remove("question", key);
      for (const choice of questions.flatMap((one) => all("details", one)))
        choice.open = false;
      questions[0].querySelector("summary").focus();
    });
    painters.push(() => {
      const kept = keys.map((key) => courseMemory.get("question", key)).filter(Boolean);
      const text = score.dataset.text
        .replace("{answered}", kept.length)
        .replace("{all}", keys.length)
        .replace("{right}", kept.filter(({right}) => right).length);
      tell(said, text);
      again.hidden = !kept.length;
    });
  }

  function openAll(button, questions) {
    const show = button.textContent;
    const {hide} = button.dataset;
    const choices = questions.flatMap((question) => all(":scope > details", question));
    function settle() {
      button.textContent = isOpen ? hide : show;
      for (const choice of choices) choice.open = isOpen;
    }
    button.addEventListener("click", () => {
      isOpen = !isOpen;
      found.clear();
      try {
        if (isOpen) localStorage.setItem(OPEN, "");
        else localStorage.removeItem(OPEN);
      } catch {}
      settle();
      paint();
    });
    if (isOpen) settle();
  }

  addEventListener("DOMContentLoaded", () => {
    const questions = all(".question");
    all("[data-prediction]").forEach(pose);
    questions.forEach(ask);
    for (const score of all(".score")) count(score, questions);
    for (const button of all(".all-answers > button")) openAll(button, questions);
    paint();
    curtain.remove();
    courseMemory.watch(paint);
    for (const said of all(":is(.guess-note, .score) > span"))
      said.setAttribute("role", "status");

    // Search within the page finds what waits for a guess, and links lead there.
    function uncover(target) {
      const answer = target?.closest("[data-answer][hidden]");
      if (!answer) return;
      found.add(answer.dataset.answer);
      paint();
      target.scrollIntoView();
    }
    const follow = () => uncover(document.querySelector(":target"));
    document.addEventListener("beforematch", ({target}) => uncover(target));
    addEventListener("hashchange", follow);
    addEventListener("load", follow);
  });
})();
