// One GET through the standard global `fetch`, which componentize-js turns into imports of wasi:http.
import { get as getEnv } from 'vedette:monitor/env@0.1.0';
import { get as getParams } from 'vedette:monitor/params@0.1.0';
import { log } from 'vedette:monitor/console@0.1.0';

export async function run() {
  const { url, env } = JSON.parse(getParams());
  log('info', `GET ${url}`);
  let status;
  try {
    ({ status } = await fetch(url));
  } catch (error) {
    // It does not say why, so that this is not the target's fault. `run` may only fail with a string: an
    // Error that leaves it traps the component.
    throw `no answer: ${error.message}`;
  }
  let message = `status ${status}`;
  if (env) message += ` ${getEnv(env)}`;
  return { success: status === 200, latency: null, message, data: JSON.stringify({ status }) };
}
