// Copy buttons: <button data-copy="id of the element whose text is meant">. They say so when it is done.

const SHOWN_MILLISECONDS = 2000;

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = [...button.childNodes];
  try {
    await navigator.clipboard.writeText(source.innerText.trim());
    button.textContent = "Copied";
  } catch {
    // No permission: mark it, so that the keyboard copies it.
    getSelection().selectAllChildren(source);
    button.textContent = "Marked: press Ctrl+C";
  }
  setTimeout(() => button.replaceChildren(...label), SHOWN_MILLISECONDS);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => copy(button));
}
