// A one-time link carries its token behind the #, which browsers don't send: it is put
// into the form's field, and taken out of the address bar and the history.
const field = document.getElementById("link");
if (field && location.hash.length > 1) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
