// Does what a person does on the platform's page: makes a Thing, adds a property with the keyboard alone, sees its value
// change, calls a direct method, edits the routing group, looks at the rest. Each stop is looked at in two widths.
'use strict';
const fs = require('fs');
const path = require('path');
const { run } = require('./chromium');

const wide = { width: 1200, height: 900 };
const narrow = { width: 400, height: 800 };

// say tells the test how far the person is; the test does its part then.
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

run(async (page, shot) => {
  // stop keeps a screenshot in each width, and refuses a page that has to be scrolled sideways.
  const stop = async (name) => {
    for (const size of [narrow, wide]) {
      await page.setViewportSize(size);
      const has = await page.evaluate(() => document.documentElement.scrollWidth);
      if (has > size.width) throw new Error(`${name} is ${has} px wide in a window of ${size.width} px`);
      await shot(size === wide ? name : name + '-narrow');
    }
  };
  // tabTo goes on with the tab key until what has the focus is called name.
  const tabTo = async (name) => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(() => document.activeElement.textContent.trim()) === name) return;
    }
    throw new Error('the tab key does not reach ' + name);
  };

  await page.goto(process.env.AZX_PAGE);
  await page.locator('#live.on').waitFor();
  await page.getByText('19.25').first().waitFor(); // what press-1 sent
  await page.getByRole('heading', { name: 'Devices without a Thing' }).waitFor();
  await stop('1-overview');

  // A Thing for the device that waits, from a template.
  await page.getByRole('link', { name: 'New Thing' }).click();
  await page.getByLabel('Name', { exact: true }).fill('pump-7');
  await page.getByLabel('Template').selectOption('AzureIotThing');
  await page.getByLabel('Hub Thing').selectOption('Hub');
  await stop('2-new-thing');
  await page.getByRole('button', { name: 'Create Thing' }).click();
  await page.getByText('Thing pump-7 was created').waitFor();

  // Its property, with the keyboard alone.
  await tabTo('Add a property');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'New property' }).waitFor();
  await page.keyboard.type('temperature');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.type('temp');
  await stop('3-new-property');
  await page.keyboard.press('Enter');
  await page.getByText('Property temperature was added').waitFor();
  await page.locator('#live.on').waitFor();

  // Its value, as the device sends it.
  say({ sends: 21.5 });
  await page.locator('#values .value', { hasText: '21.5' }).waitFor();
  say({ sends: 22.5 });
  await page.locator('#values .value', { hasText: '22.5' }).waitFor();
  await stop('4-thing');
  await page.locator('#values').getByRole('link', { name: 'temperature' }).click();
  await page.locator('#value', { hasText: '22.5' }).waitFor();
  await stop('5-property');

  // A direct method, two clicks away from the first page.
  await page.goto(process.env.AZX_PAGE);
  await page.locator('[data-thing="press-1"]').getByRole('link', { name: 'Restart' }).click();
  await page.getByLabel('delay').fill('soon');
  page.expected = /400 \(Bad Request\)/; // the browser notes the status of a refusal as an error
  await page.getByRole('button', { name: 'Call Restart' }).click();
  await page.getByText('this is no INTEGER').waitFor();
  await stop('6-method-mistaken');
  await page.getByLabel('delay').fill('5');
  await page.getByRole('button', { name: 'Call Restart' }).click();
  const result = await page.locator('#answer pre').textContent();
  await stop('7-method-result');

  // The routing group of the hub Thing.
  await page.goto(process.env.AZX_PAGE);
  await page.locator('#ways').getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('routingGroup').fill('north');
  await page.getByRole('button', { name: 'Save RoutingSettings' }).click();
  await page.getByText('Table RoutingSettings was saved').waitFor();
  await stop('8-settings');
  await page.getByRole('navigation', { name: 'Parts of Hub' }).getByRole('link', { name: 'Services' }).click();
  await page.getByRole('link', { name: 'GetRoutingGroup' }).click();
  await page.getByRole('button', { name: 'Call GetRoutingGroup' }).click();
  const group = await page.locator('#answer .value').textContent();
  await page.getByRole('navigation', { name: 'Parts of Hub' }).getByRole('link', { name: 'Services' }).click();
  await stop('9-services');

  // What scripts do, connectors, packages, and what was refused.
  await page.getByRole('navigation', { name: 'Parts of Hub' }).getByRole('link', { name: 'Scripts' }).click();
  await page.getByRole('heading', { name: 'Subscriptions' }).waitFor();
  await stop('10-scripts');
  await page.getByRole('link', { name: 'Connectors', exact: true }).click();
  await page.getByText('plant-3').first().waitFor();
  await page.locator('#live.on').waitFor();
  await stop('11-connectors');
  await page.getByRole('link', { name: 'Packages' }).click();
  await stop('12-packages');
  const faulty = path.join(process.env.AZX_SCREENSHOTS, 'faulty.xml');
  fs.writeFileSync(faulty, '<Entities><Things><Thing name="lost" thingTemplate="Nowhere"/></Things></Entities>');
  await page.getByLabel('File').setInputFiles(faulty);
  await page.getByRole('button', { name: 'Install', exact: true }).click();
  await page.getByText('Refused: faulty.xml').waitFor();
  fs.unlinkSync(faulty);
  await stop('13-package-refused');
  await page.getByRole('link', { name: 'Activity' }).click();
  await page.locator('#live.on').waitFor();
  await stop('14-activity');
  await page.getByRole('searchbox', { name: 'Find an entity by name' }).fill('hub');
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'AzureIotHubTemplate', exact: true }).first().waitFor();
  await stop('15-entities');
  await page.getByRole('link', { name: 'AzureIotHubTemplate', exact: true }).first().click();
  await stop('16-template');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto(process.env.AZX_PAGE);
  await page.locator('#live.on').waitFor();
  await stop('17-dark');
  return { result: JSON.parse(result), group };
}, wide).catch((err) => { console.error(err); process.exit(1); });
