// A page that answers a form and is shown once gives its place in the browser's history to the page that stays:
// <div data-stays="/console/…">. Loading it anew then opens that one, and sends the form no second time.

const stays = document.querySelector("[data-stays]");
if (stays) history.replaceState(null, "", stays.dataset.stays);
