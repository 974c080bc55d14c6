// Loaded before the heartbeat sample of docs/devices.md: its five minutes become a second. No other timer changes.
'use strict';

const { setInterval: ordinary } = globalThis;

globalThis.setInterval = (call, ms, ...rest) => ordinary(call, ms === 5 * 60 * 1000 ? 1000 : ms, ...rest);
