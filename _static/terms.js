// A link to a term shows what the term means while one points at it, or comes to it by
// keyboard. Escape closes it, and so does leaving both the link and the definition.
{
  const links = document.querySelectorAll("a[aria-describedby$='-defined']");
  // Where nothing clips them.
  document.body.append(document.querySelector(".definitions"));
  let shown, waiting;

  const hide = () => {
    clearTimeout(waiting);
    if (shown) shown.hidden = true;
    shown = null;
  };

  const show = (link) => {
    hide();
    shown = document.getElementById(link.getAttribute("aria-describedby"));
    shown.hidden = false;
    // A link may be broken into lines: at the last of them, within the page.
    const line = [...link.getClientRects()].at(-1);
    const {width, height} = shown.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 8;
    const below = line.bottom + height < innerHeight || line.top < height;
    shown.style.left = `${scrollX + Math.max(8, Math.min(line.left, room))}px`;
    shown.style.top = `${scrollY + (below ? line.bottom : line.top - height)}px`;
  };

  // Passing over a link, or from it to its definition, is neither coming nor leaving.
  const soon = (act, ...values) => {
    clearTimeout(waiting);
    waiting = setTimeout(act, 200, ...values);
  };

  for (const link of links) {
    link.addEventListener("pointerenter", ({pointerType}) => {
      const own = shown?.id === link.getAttribute("aria-describedby");
      if (own) clearTimeout(waiting);
      else if (pointerType !== "touch") soon(show, link);
    });
    link.addEventListener("pointerleave", () => soon(hide));
    link.addEventListener("focus", () => {
      if (link.matches(":focus-visible")) show(link);
    });
    link.addEventListener("blur", hide);
    const definition = document.getElementById(link.getAttribute("aria-describedby"));
    definition.onpointerenter = () => clearTimeout(waiting);
    definition.onpointerleave = () => soon(hide);
  }
  addEventListener("keydown", ({key}) => {
    if (key === "Escape") hide();
  });
  addEventListener("pagehide", hide);
}
