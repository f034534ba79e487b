// The certificate of a site, and every one in its chain, is good for some more days. A certificate
// that is not valid at all makes the request fail, which is a failure too.

export default async function ({ params }) {
  const { url, min_days: minDays = 14 } = params;
  if (typeof url !== 'string' || !url.startsWith('https://')) throw new Error('parameter `url` must be an https URL');
  if (!Number.isInteger(minDays)) throw new Error('parameter `min_days` must be a whole number');

  const response = await fetch(url, { redirect: 'manual' });
  const { tls } = response;
  const ok = tls.days_remaining >= minDays;
  const until = tls.chain_not_after === tls.not_after ? 'the certificate' : 'a certificate of the chain';
  return {
    success: ok,
    latency: response.timings.total,
    message: `${until} of ${new URL(url).host} expires in ${tls.days_remaining} days, on ${tls.chain_not_after.slice(0, 10)}${ok ? '' : `; wanted are ${minDays}`}`,
    data: tls,
  };
}
