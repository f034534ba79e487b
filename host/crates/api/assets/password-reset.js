// Sends the token of the address, which stands behind its `#` so that no server sees it before, with
// the new password.
const form = document.getElementById('form');
const answer = document.getElementById('answer');
const token = location.hash.slice(1);
// Not in the history either.
history.replaceState(null, '', location.pathname);

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  answer.textContent = '';
  try {
    const response = await fetch('api/v1/auth/password-reset', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, new_password: document.getElementById('password').value }),
    });
    if (response.ok) {
      form.remove();
      answer.textContent = 'The password is set, and all sessions have ended. Sign in with it.';
      return;
    }
    answer.textContent = (await response.json()).detail;
  } catch {
    answer.textContent = 'The server does not answer. Try again in a moment.';
  }
  button.disabled = false;
});
