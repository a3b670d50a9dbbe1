// Passkeys: asks the server what to ask the device for, and sends the device's answer with the form.
// A part that needs it is hidden until it is known to work.
(() => {
  "use strict";
  const able = window.PublicKeyCredential;
  if (!able || !able.parseRequestOptionsFromJSON || !able.parseCreationOptionsFromJSON) return;

  const words = {
    NotAllowedError: "Nothing was done: the device did not confirm it was you, or took too long.",
    InvalidStateError: "This device has a passkey for you already.",
    SecurityError: "Passkeys do not work at this address.",
  };

  async function answer(url, form) {
    const asked = await fetch(url, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!asked.ok || !(asked.headers.get("content-type") || "").includes("json")) {
      throw new Error(asked.status === 429 ? "Too many attempts. Wait a minute." : "Open the page again, and retry.");
    }
    const options = await asked.json();
    const made = options.user
      ? await navigator.credentials.create({ publicKey: able.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: able.parseRequestOptionsFromJSON(options) });
    return JSON.stringify(made.toJSON());
  }

  for (const part of document.querySelectorAll("[data-passkey]")) {
    const form = part.querySelector("form");
    const told = part.querySelector("[role=alert]");
    part.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      told.textContent = "";
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        form.elements.passkey.value = await answer(part.dataset.passkey, form);
        form.submit();
      } catch (problem) {
        told.textContent = words[problem.name] || problem.message;
      }
      button.disabled = false;
    });
  }
})();
