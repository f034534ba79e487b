// The page contains a text, or does not.

export default async function ({ params }) {
  const { url, keyword, should_be: shouldBe = 'present' } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (typeof keyword !== 'string' || keyword === '') throw new Error('parameter `keyword` must be a text');
  if (shouldBe !== 'present' && shouldBe !== 'absent') throw new Error('parameter `should_be` must be "present" or "absent"');

  const response = await fetch(url);
  const latency = response.timings.total;
  if (!response.ok) {
    return { success: false, latency, message: `${response.url} answered ${response.status}, so that its text says nothing` };
  }
  const text = await response.text();
  const found = text.includes(keyword);
  const ok = found === (shouldBe === 'present');
  return {
    success: ok,
    latency,
    message: `"${keyword}" is ${found ? 'present' : 'absent'} on ${response.url}${ok ? '' : `, should be ${shouldBe}`}`,
    data: { status: response.status, found, length: text.length },
  };
}
