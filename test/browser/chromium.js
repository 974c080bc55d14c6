// Opens Debian's Chromium and hands a page of it to a scenario; prints what the scenario returns as one line of JSON.
'use strict';
const { chromium } = require('playwright-core');
const fs = require('fs');
const os = require('os');
const path = require('path');

const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

// run calls scenario(page, shot): shot(name) keeps a screenshot in the folder AZX_SCREENSHOTS. What the page writes to its
// console as an error, or throws, fails the run: it would fail a person, too. A scenario that means to be refused puts
// into page.expected what the browser will note of it.
exports.run = async function run(scenario, viewport = { width: 1200, height: 900 }) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'azx-browser-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: '/usr/bin/chromium', args: flags, viewport });
  const problems = [];
  try {
    const page = context.pages()[0] || await context.newPage();
    page.setDefaultTimeout(20000);
    page.on('pageerror', (err) => problems.push(String(err)));
    page.on('console', (m) => { if (m.type() === 'error' && !(page.expected && page.expected.test(m.text()))) problems.push(m.text()); });
    const shot = (name) => page.screenshot({ path: path.join(process.env.AZX_SCREENSHOTS, name + '.png'), fullPage: true });
    const result = await scenario(page, shot);
    if (problems.length > 0) throw new Error('the page complains: ' + problems.join('; '));
    process.stdout.write(JSON.stringify(result === undefined ? {} : result) + '\n');
  } finally {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
};
