// Signs in through the form of a page, as a browser would, and reads a page that only the user sees.
//
//   vedette check login.js --param login_url=https://example.com/login \
//     --param account_url=https://example.com/account --param expected="Your orders" \
//     --env LOGIN_USERNAME=anna --env LOGIN_PASSWORD=…

import { expect, formToken, step } from 'vedette:assert';

export default async function ({ params, env }) {
  await step('the account is not public', async () => {
    const response = await fetch(params.account_url, { redirect: 'manual' });
    expect(await response.text(), 'the page').not.toContain(params.expected);
  });

  const token = await step('open the form', async () => {
    const response = await fetch(params.login_url, { credentials: 'include' });
    expect(response.status, 'status').toBe(200);
    return formToken(await response.text(), 'csrf_token');
  });

  await step('sign in', async () => {
    const body = new URLSearchParams({
      csrf_token: token,
      username: env.LOGIN_USERNAME,
      password: env.LOGIN_PASSWORD,
    });
    const response = await fetch(params.login_url, { method: 'POST', body, credentials: 'include' });
    expect(response.status, 'status').toBe(200);
  });

  await step('see the account', async () => {
    // A session that does not hold is often answered by a redirect to the form.
    const response = await fetch(params.account_url, { credentials: 'include', redirect: 'manual' });
    expect(response.status, 'status').toBe(200);
    expect(await response.text(), 'the page').toContain(params.expected);
  });
}
