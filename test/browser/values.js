// Waits until the page shows one value, and then another that came while it was open.
'use strict';
const { run } = require('./chromium');

run(async (page, shot) => {
  await page.goto(process.env.AZX_PAGE);
  await page.getByText('21.5').first().waitFor();
  await shot('values');
  process.stdout.write('{"seen":21.5}\n');
  await page.getByText('22.5').first().waitFor();
  await page.setViewportSize({ width: 400, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  await shot('values-narrow');
  return { seen: 22.5, width: wide };
}).catch((err) => { console.error(err); process.exit(1); });
