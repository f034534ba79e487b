// One GET through the host's own import. The same source serves componentize-qjs and componentize-js.
import { send } from 'vedette:monitor/fetch@0.1.0';
import { get as getEnv } from 'vedette:monitor/env@0.1.0';
import { get as getParams } from 'vedette:monitor/params@0.1.0';
import { log } from 'vedette:monitor/console@0.1.0';

export function run() {
  const { url, env } = JSON.parse(getParams());
  log('info', `GET ${url}`);
  let status;
  try {
    ({ status } = send({ method: 'GET', url, headers: [], body: null, redirect: 'follow', timeoutMs: null }));
  } catch (error) {
    // `run` may only fail with a string. Left alone, the record in `payload` traps the component.
    throw `no answer: ${error.payload?.tag ?? error}`;
  }
  let message = `status ${status}`;
  if (env) message += ` ${getEnv(env)}`;
  return { success: status === 200, latency: null, message, data: JSON.stringify({ status }) };
}
