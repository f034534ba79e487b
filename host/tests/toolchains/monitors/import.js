// One GET through the host's own import. The same source serves componentize-qjs and componentize-js.
import { send } from 'vedette:monitor/fetch@0.1.0';
import { get as getEnv } from 'vedette:monitor/env@0.1.0';
import { get as getParams } from 'vedette:monitor/params@0.1.0';
import { log } from 'vedette:monitor/console@0.1.0';

const TARGET_FAULTS = [
  'dns', 'connection-refused', 'connection-reset', 'connect', 'tls', 'timeout', 'too-many-redirects', 'protocol',
];

export function run() {
  const { url, env } = JSON.parse(getParams());
  log('info', `GET ${url}`);
  let status;
  try {
    ({ status } = send({ method: 'GET', url, headers: [], body: null, redirect: 'follow', timeoutMs: null }));
  } catch (error) {
    const reason = error.payload?.tag;
    if (TARGET_FAULTS.includes(reason)) return verdict(false, `no answer: ${reason}`, null);
    // `run` may only fail with a string. Left alone, the record in `payload` traps the component.
    if (reason === 'denied') throw `[fetch_denied] no answer: ${error.payload.val}`;
    throw `no answer: ${reason ?? error}`;
  }
  let message = `status ${status}`;
  if (env) message += ` ${getEnv(env)}`;
  return verdict(status === 200, message, { status });
}

function verdict(success, message, data) {
  return { success, latency: null, message, data: JSON.stringify(data) };
}
