// Wallets: found as EIP-6963 says, asked for an address (EIP-1193) and for one signature under the server's own text.
// Nothing else is ever asked of a wallet: no transaction, no approval, no chain to switch to.
//
// <div data-wallet="sign_in" data-next="/console"> with an element .wallets and a line [role=status]. The purpose is
// sign_in, link, step_up or holding; data-challenge and data-verify name other addresses to ask than those of signing in,
// data-workspace and data-workspace-header the workspace that it is about.

import { attempt, goOn, post, Said, sayer } from "./api.js";

// How long a wallet may take to announce itself before we look for one that does not do so.
const ANNOUNCE_MILLISECONDS = 400;
// Names by what wallets call themselves; it is a label and proves nothing.
const KNOWN = [
  [/^io\.metamask(\.|$)/, "MetaMask"],
  [/^com\.okex\.wallet$/, "OKX Wallet"],
  [/^com\.binance\.wallet$/, "Binance Wallet"],
  [/^com\.bitget\.(web3|wallet|web3wallet)$/, "Bitget Wallet"],
];
const USER_REJECTED = 4001;
const ALREADY_ASKED = -32002;

function nameOf(info) {
  const known = KNOWN.find(([pattern]) => pattern.test(String(info.rdns ?? "")));
  return known ? known[1] : String(info.name || "Wallet").slice(0, 40);
}

function explain(error) {
  if (error?.code === USER_REJECTED) return "You declined in your wallet. Nothing was signed.";
  if (error?.code === ALREADY_ASKED) return "Your wallet is already asking: open it and answer there.";
  return "The wallet did not answer as expected. Unlock it and try again.";
}

function hexOf(text) {
  return "0x" + Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sign(part, provider, say) {
  say("Your wallet asks which account to use.");
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  const address = accounts?.[0];
  if (!address) throw new Said("Your wallet gave no account. Choose one there and try again.");
  const chainId = Number(await provider.request({ method: "eth_chainId" }));
  const { wallet: purpose, workspace, workspaceHeader } = part.dataset;
  const isHolding = purpose === "holding";
  const headers = workspace ? { [workspaceHeader]: workspace } : {};
  const asked = { address, chain_id: chainId, ...(isHolding ? {} : { purpose }) };
  const challenge = await post(part.dataset.challenge ?? "/api/auth/wallet/challenge", asked, headers);
  say(`Your wallet shows the text to sign. Read it: ${isHolding ? "it lets holdings count, and no more" : "it signs in only"}.`);
  const signature = await provider.request({ method: "personal_sign", params: [hexOf(challenge.message), address] });
  say("Checking the signature.");
  const verify = part.dataset.verify ?? "/api/auth/wallet/verify";
  const answer = await post(verify, { challenge_id: challenge.challenge_id, signature }, headers);
  say("Done.");
  goOn(answer, part.dataset.next);
}

function buttonFor(part, info, provider, say) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "second";
  // An icon is a picture of somebody else's making: as <img> nothing in it can run.
  if (/^data:image\//.test(String(info.icon ?? ""))) {
    const icon = document.createElement("img");
    icon.src = info.icon;
    icon.alt = "";
    icon.width = icon.height = 24;
    button.append(icon);
  }
  button.append(nameOf(info));
  button.addEventListener("click", () => attempt(button, say, explain, () => sign(part, provider, say)));
  return button;
}

function connect(part) {
  const list = part.querySelector(".wallets");
  const say = sayer(part);
  const seen = new Set();
  const add = (info, provider) => {
    if (!provider?.request || seen.has(info.uuid)) return;
    seen.add(info.uuid);
    say("");
    list.append(buttonFor(part, info, provider, say));
  };
  addEventListener("eip6963:announceProvider", (event) => {
    const { info, provider } = event.detail ?? {};
    if (info?.uuid) add(info, provider);
  });
  dispatchEvent(new Event("eip6963:requestProvider"));
  setTimeout(() => {
    if (seen.size === 0 && globalThis.ethereum) add({ uuid: "injected", name: "Browser wallet" }, globalThis.ethereum);
    if (seen.size === 0) {
      say("No wallet was found in this browser. Install MetaMask, OKX, Binance Wallet or Bitget, or open this page in your wallet’s own browser.");
    }
  }, ANNOUNCE_MILLISECONDS);
}

for (const part of document.querySelectorAll("[data-wallet]")) connect(part);
