// A check as most are: one request, a few expectations of its answer, a line of log.
export default async function ({ params, env }) {
  const response = await fetch(params.url, { headers: { accept: 'application/json', authorization: `Bearer ${env.TOKEN}` } });
  if (!response.ok) return { success: false, message: `status ${response.status}` };
  const type = response.headers.get('content-type') ?? '';
  const body = await response.json();
  const names = body.items.filter((item) => item.id > 0).map((item) => item.name);
  console.log('answered', response.status, names.length);
  return {
    success: type.startsWith('application/json') && names.length > 0,
    latency: response.timings?.total,
    message: `${names.length} items`,
    data: { names, state: body.state },
  };
}
