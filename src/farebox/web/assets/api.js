// What the other modules share: asking the server in JSON, and saying how it went.

// A refusal or failure whose message can be shown as it is.
export class Said extends Error {}

// Refusals after which people go to another page first, and then back to this one.
const WHERE_TO = {
  not_signed_in: "/sign-in",
  second_factor_required: "/sign-in/second-factor",
  step_up_required: "/step-up",
};

// POST JSON to an address of this site, with further headers. Throws Said.
export async function post(path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Said("The gateway cannot be reached. Check your connection and try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = answer.error ?? {};
  if (Object.hasOwn(WHERE_TO, error.code)) {
    location.assign(`${WHERE_TO[error.code]}?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  throw new Said([error.message ?? "Something went wrong here.", error.advice ?? ""].join(" ").trim());
}

// Go on after signing in: a second factor may still be missing. `next` comes from the server, as a path of this site.
export function goOn(answer, next) {
  location.assign(answer.state === "pending" ? `/sign-in/second-factor?next=${encodeURIComponent(next)}` : next);
}

// The line of a part of the page where it says what happens; screen readers read it out.
export function sayer(part) {
  const line = part.querySelector("[role=status]");
  return (text) => { line.textContent = text; };
}

// Run something that a button began: only once at a time, with its trouble shown. `explain`: an error as text.
// Whether it went well, or another time it does so already.
export async function attempt(button, say, explain, work) {
  if (button.getAttribute("aria-busy") === "true") return true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
    return true;
  } catch (error) {
    say(error instanceof Said ? error.message : explain(error));
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
