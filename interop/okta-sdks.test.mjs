// Okta's own SDKs, unmodified, against the local org over https, by the key-bound tokens that they ask for themselves.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import * as jose from 'jose';
import { KeyPair } from './lib/keys.mjs';
import { Org } from './lib/org.mjs';

const MADE_UP_USERS = 200;
const SCOPES = ['okta.users.read', 'okta.users.manage'];
/** The rate limit begins anew with each minute; an SDK waits until then, and a second more. */
const A_MINUTE_AND_MORE = 90_000;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const SDKS = {
  'okta-sdk-nodejs': { command: [process.execPath, here('lib/okta-node-sdk.mjs')], trust: 'NODE_EXTRA_CA_CERTS' },
  'okta for Python': { command: [here('.venv/bin/python'), here('lib/okta_python_sdk.py')], trust: 'SSL_CERT_FILE' },
};

// Side by side: the tests that use up a rate limit wait for the next minute.
for (const [name, sdk] of Object.entries(SDKS)) {
  describe(name, { concurrency: true }, () => {
    test('lists, creates, changes and deletes users, after one nonce challenge', async () => {
      const { told, log } = await against({ sdk });
      assert.deepEqual(told, {
        listed: MADE_UP_USERS,
        created: 'ACTIVE',
        updated: 'Idi',
        read: true,
        gone: [404, 'E0000007'],
      });
      assert.equal(log.match(/error="use_dpop_nonce"/g).length, 1, log);
      assert.match(log, /token granted.*token_type="DPoP"/);
    });

    test('waits where it is refused with 429, and loses no call', async () => {
      const calls = 6;
      const { told, log } = await against({ sdk, calls, flags: ['--requests-per-minute', String(calls / 2)] });
      assert.deepEqual(told, { sizes: Array(calls).fill(1) });
      assert.match(log, /status=429/);
    });
  });
}

/** What the program on the SDK printed, and what the org logged. */
async function against({ sdk, calls, flags = [] }) {
  const org = await Org.start({ http: false, flags: ['-v', ...flags] });
  try {
    const key = await KeyPair.generate('RS256');
    const clientId = await org.createApp({ key, scopes: SCOPES, role: 'USER_ADMIN' });
    const privateKey = await jose.exportPKCS8(key.privateKey);
    const task = { url: org.url, clientId, privateKey, keyId: key.thumbprint, scopes: SCOPES, calls };
    return { told: await run(sdk, task, org.authority), log: org.log };
  } finally {
    await org.stop();
  }
}

async function run({ command: [program, script], trust }, task, authority) {
  const env = { PATH: process.env.PATH, [trust]: authority };
  const child = spawn(program, [script], { env, timeout: A_MINUTE_AND_MORE });
  child.stdin.end(JSON.stringify(task));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}
