// A user can sign in: get the form, send it with its hidden token, and see a page that needs the
// session. Before that, the page must not show its text to somebody without one: else it would prove
// nothing. Name and password come from the variables LOGIN_USERNAME and LOGIN_PASSWORD.

export default async function ({ params, env }) {
  const { url, protected_url: protectedUrl, expected_text: expectedText } = params;
  const { username_field: userField = 'username', password_field: passwordField = 'password', token_field: tokenField = '' } = params;
  for (const [name, value] of Object.entries({ url, protected_url: protectedUrl, expected_text: expectedText })) {
    if (typeof value !== 'string' || value === '') throw new Error(`parameter \`${name}\` must be a text`);
  }
  for (const name of ['LOGIN_USERNAME', 'LOGIN_PASSWORD']) {
    if (!env[name]) throw new Error(`variable \`${name}\` is not set, or empty`);
  }

  const cookies = new Map();
  let latency = 0;
  const request = async (target, init = {}) => {
    const headers = { ...init.headers };
    if (cookies.size > 0) headers.cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(target, { ...init, headers, redirect: 'manual' });
    latency += response.timings.total;
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^\s*([^=;]+)=([^;]*)/.exec(cookie) ?? [];
      if (name !== undefined) cookies.set(name.trim(), value);
    }
    return response;
  };
  const down = (step, message) => ({ success: false, latency, message: `${step}: ${message}`, data: { step } });

  const open = await request(protectedUrl);
  if (open.ok && (await open.text()).includes(expectedText)) {
    return down('without a session', `"${expectedText}" is on ${protectedUrl} without signing in, so that it proves nothing`);
  }
  // Neither its cookies nor its time count: signing in begins as in a fresh browser.
  cookies.clear();
  latency = 0;

  const form = await request(url);
  if (!form.ok) return down('form', `${url} answered ${form.status}`);
  const body = new URLSearchParams({ [userField]: env.LOGIN_USERNAME, [passwordField]: env.LOGIN_PASSWORD });
  if (tokenField !== '') {
    const token = hiddenValue(await form.text(), tokenField);
    if (token === undefined) return down('form', `no field \`${tokenField}\` on ${url}`);
    body.set(tokenField, token);
  }

  const login = await request(url, { method: 'POST', body });
  if (login.status >= 400) return down('login', `${url} answered ${login.status}`);

  const page = await request(protectedUrl);
  if (!page.ok) return down('protected page', `${protectedUrl} answered ${page.status}: the session does not hold`);
  if (!(await page.text()).includes(expectedText)) return down('protected page', `"${expectedText}" is not on ${protectedUrl}`);
  return { success: true, latency, message: `signed in, and "${expectedText}" is on ${protectedUrl}` };
}

/** The value of an input by its name, wherever the attributes stand. */
function hiddenValue(html, name) {
  for (const [input] of html.matchAll(/<input\b[^>]*>/gi)) {
    const attribute = (key) => new RegExp(`(?:^|\\s)${key}\\s*=\\s*["']([^"']*)["']`, 'i').exec(input)?.[1];
    if (attribute('name') === name) return attribute('value');
  }
  return undefined;
}
