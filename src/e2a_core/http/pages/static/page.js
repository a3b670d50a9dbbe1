// What the pages do more with a script: keys, and lists that renew themselves without moving under the pointer.
// Everything works without it.
(() => {
  "use strict";
  const one = (selector) => document.querySelector(selector);
  const places = { h: "/", r: "/reviews" };
  let after = "";

  const typing = (element) => element.closest("input:not([type=checkbox]),textarea,select,[contenteditable]");

  function move(step) {
    const items = [...document.querySelectorAll("[data-item]")];
    if (!items.length) return;
    const now = items.findIndex((item) => item.contains(document.activeElement));
    const next = items[Math.min(items.length - 1, Math.max(0, now + (now < 0 ? Math.max(step, 1) : step)))];
    next.querySelector("a").focus();
  }

  function select() {
    const item = document.activeElement.closest("[data-item]");
    const box = item && item.querySelector("input[type=checkbox]");
    if (box) box.click();
  }

  function press(key) {
    const target = one(`[data-key="${CSS.escape(key)}"]`);
    if (!target) return false;
    if (target.matches("input,textarea,select")) target.focus();
    else if (target.matches("summary")) {
      // What it holds is there to be filled in, and at once: the next key must not be taken for a command.
      target.parentElement.open = true;
      target.parentElement.querySelector("input:not([type=hidden]),textarea").focus();
    } else target.click();
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && typing(event.target)) event.target.blur();
    if (typing(event.target)) return;
    const key = event.key;
    if (event.repeat && key !== "j" && key !== "k") return; // a key held down decides once
    if (after === "g" && places[key]) location.assign(places[key]);
    else if (key === "j") move(1);
    else if (key === "k") move(-1);
    else if (key === "x") select();
    else if (key === "?" && one("#keys")) one("#keys").toggleAttribute("open");
    else if (key !== "g" && !press(key)) { after = ""; return; }
    after = key === "g" ? "g" : "";
    event.preventDefault();
  });

  // On a phone the line of this page may be beyond the edge.
  const bar = one("nav.side"), here = one("nav.side [aria-current]");
  if (bar && here) bar.scrollLeft = Math.max(0, here.offsetLeft - bar.clientWidth / 2 + here.offsetWidth / 2);

  // A form is sent once: a second click would only be told that somebody decided before.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  // How much the chosen files are together is said before they are sent, so that the next page need not.
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.type !== "file") return;
    const sum = [...field.files].reduce((all, file) => all + file.size, 0);
    const size = sum < 1e6 ? `${Math.ceil(sum / 1e3)} kB` : `${(sum / 1e6).toFixed(1)} MB`;
    const many = field.files.length;
    const words = many ? `${many} ${many === 1 ? "file" : "files"}, ${size} together` : "";
    field.form.elements.told.value = sum;
    one(`output[for="${field.id}"]`).textContent = words;
    field.setCustomValidity(sum > Number(field.dataset.most) ? `${words}, is more than may go` : "");
  });

  // A list in use stays as it is; its notice says that there is more.
  const used = (list) =>
    list.matches(":hover") || list.contains(document.activeElement) || list.querySelector("input:checked");

  document.addEventListener("htmx:beforeSwap", (event) => {
    const list = event.detail.target;
    if (!list.matches("[data-quiet]")) return;
    const answer = event.detail.xhr;
    const version = answer.getResponseHeader("X-List") || "";
    const notice = one(list.dataset.quiet);
    const changed = version !== list.dataset.version;
    if (!changed || answer.status !== 200 || used(list)) {
      event.detail.shouldSwap = false;
      if (notice && answer.status === 200) notice.hidden = !changed;
      return;
    }
    list.dataset.version = version;
    if (notice) notice.hidden = true;
  });
})();
