// Passkeys: sign in with one (by a button, or offered by the browser in the e-mail field), add one, prove oneself again.
//
// <div data-passkey="sign_in" data-next="/console"> with a button and a line [role=status]; purposes sign_in, link,
// step_up. For link an <input name="name"> inside names the new passkey. An input with autocomplete="… webauthn"
// anywhere on the page lets the browser offer passkeys while one types.

import { attempt, goOn, post, Said, sayer } from "./api.js";

const CHALLENGE = "/api/auth/passkey/challenge";
const VERIFY = "/api/auth/passkey/verify";
// A challenge lives five minutes; an offer in the e-mail field is renewed before that.
const RENEW_MILLISECONDS = 240_000;

let offered = null; // the AbortController of the offer in the e-mail field: browsers take one request at a time

function bytesOf(text) {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (character) => character.charCodeAt(0)).buffer;
}

function textOf(buffer) {
  const raw = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const withBytes = (credentials) => (credentials ?? []).map((each) => ({ ...each, id: bytesOf(each.id) }));

function creationOptions(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  return {
    ...json,
    challenge: bytesOf(json.challenge),
    user: { ...json.user, id: bytesOf(json.user.id) },
    excludeCredentials: withBytes(json.excludeCredentials),
  };
}

function requestOptions(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  return { ...json, challenge: bytesOf(json.challenge), allowCredentials: withBytes(json.allowCredentials) };
}

function credentialJson(credential) {
  if (credential.toJSON) return credential.toJSON();
  const { response } = credential;
  const found = { clientDataJSON: textOf(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) found[name] = textOf(response[name]);
  }
  if (response.getTransports) found.transports = response.getTransports();
  return {
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: found,
  };
}

function explain(error) {
  if (error?.name === "NotAllowedError") return "No passkey was used: it was cancelled, or it took too long.";
  if (error?.name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (error?.name === "SecurityError") return "This browser allows no passkeys at this address.";
  return "The passkey could not be used. Try again, or choose another way.";
}

async function ask(part) {
  const purpose = part.dataset.passkey;
  const challenge = await post(CHALLENGE, { purpose });
  offered?.abort();
  const credential =
    purpose === "link"
      ? await navigator.credentials.create({ publicKey: creationOptions(challenge.options) })
      : await navigator.credentials.get({ publicKey: requestOptions(challenge.options) });
  const name = part.querySelector("[name=name]")?.value ?? "";
  await verify(part, challenge, credential, name);
}

async function verify(part, challenge, credential, name) {
  const body = { challenge_id: challenge.challenge_id, credential: credentialJson(credential) };
  const answer = await post(VERIFY, name ? { ...body, name } : body);
  goOn(answer, part.dataset.next);
}

// Offer passkeys in the e-mail field until one is chosen or the page is left.
async function offer(part, say) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  const challenge = await post(CHALLENGE, { purpose: "sign_in" });
  const abort = new AbortController();
  offered = abort;
  const renewal = setTimeout(() => {
    abort.abort();
    offer(part, say).catch(() => {});
  }, RENEW_MILLISECONDS);
  try {
    const publicKey = requestOptions(challenge.options);
    const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: abort.signal });
    await verify(part, challenge, credential, "");
  } catch (error) {
    // Who did not choose one from the offer has asked for nothing, and is told nothing.
    if (error instanceof Said) say(error.message);
  } finally {
    clearTimeout(renewal);
  }
}

function connect(part) {
  const say = sayer(part);
  const button = part.querySelector("button");
  if (!globalThis.PublicKeyCredential) {
    button.disabled = true;
    say("This browser has no passkeys.");
    return;
  }
  const offers = part.dataset.passkey === "sign_in" && document.querySelector("input[autocomplete~=webauthn]");
  const offerQuietly = () => { if (offers) offer(part, say).catch(() => {}); };
  const work = async (event) => {
    event.preventDefault();
    // What the button began has ended the offer; if nobody signed in by it, the offer stands again.
    if (!(await attempt(button, say, explain, () => ask(part)))) offerQuietly();
  };
  (button.form ?? button).addEventListener(button.form ? "submit" : "click", work);
  offerQuietly();
}

for (const part of document.querySelectorAll("[data-passkey]")) connect(part);
