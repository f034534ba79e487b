// A check that computes: JSON, promises, collections, dates.
const wait = async (value) => value;

export default async ({ params }) => {
  const text = JSON.stringify({ url: params.url, items: [1, 2, 3], nested: { state: 'ok' } });
  const body = JSON.parse(text);
  const sum = body.items.reduce((total, item) => total + item, 0);
  const [first, second] = await Promise.all([wait(1), wait(2)]);
  const seen = new Map();
  for (const [name, value] of Object.entries(body)) seen.set(name.toUpperCase(), typeof value);
  console.log('computed', sum, first + second, [...seen.keys()].join(','));
  const age = Date.now() - new Date('2026-01-01T00:00:00Z').getTime();
  return { success: sum === 6 && seen.size === 3 && !Number.isNaN(age), data: { sum, list: body.items.slice(0, 2) } };
};
