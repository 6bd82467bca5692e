// A client in Python that we did not write, requests-oauth2client: a service and a user's app of Keybound's local org,
// calling an API behind Keybound's guard. The user's part is lib/browser.mjs.

import assert from 'node:assert/strict';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { Api, THINGS_PATH } from './lib/api.mjs';
import { Browser } from './lib/browser.mjs';
import { GuardProcess } from './lib/guard.mjs';
import { KeyPair } from './lib/keys.mjs';
import { Org, SCOPE, USERS_PATH } from './lib/org.mjs';
import { freePort, Workspace } from './lib/program.mjs';
import { close, listen } from './lib/wire.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const USER = { login: 'ada@example.com', password: 'Correct-Horse-9' };

/** Paths that a client and a server may write differently (RFC 9449 section 4.3, check 9; RFC 3986 section 6.2.2). */
const PATHS = ['', '?page=2', '/%7Eme', '/~me', '/sm%c3%b8r br%C3%B8d', '/smørbrød'];

let org, api, guard, userId, callback, redirectUri, workspace;
before(async () => {
  workspace = await Workspace.create();
  org = await Org.start();
  userId = await org.createUser(USER);
  api = await Api.open();
  guard = await guardFor(org, api);
  callback = http.createServer((_request, response) => response.end('Done.'));
  redirectUri = `${await listen(callback)}/callback`;
});
after(async () => {
  await guard?.stop();
  await Promise.all([org?.stop(), api?.close(), callback && close(callback)]);
});

for (const algorithm of ['ES256', 'ES512']) {
  describe(`requests-oauth2client with ${algorithm} proofs`, () => {
    test('as a service, gets a token after a nonce challenge, and calls the org and the API', async () => {
      const key = await KeyPair.generate(algorithm);
      const clientId = await org.createApp({ key });
      const urls = [`${org.url}${USERS_PATH}?limit=1`, ...guarded()];
      const task = { issuer: org.url, clientId, key: await key.exportPrivateJwk(), scope: SCOPE, algorithm, urls };
      assert.deepEqual(await run(task), { service: 'DPoP', calls: [...urls.map(() => 200), 200] });
      assert.deepEqual(called(), [...PATHS.map(() => 'GET'), 'POST']);
    });

    test('for a user, signs in by code, by a pushed request and on another device, refreshes, calls and revokes', async () => {
      const clientId = await org.createNativeApp();
      const told = await run({
        ...{ issuer: org.url, device: `${org.url}/oauth2/v1/device/authorize`, clientId, redirectUri, algorithm },
        ...{ scope: `openid offline_access ${SCOPE}`, urls: guarded() },
      });
      assert.deepEqual(told, {
        ...{ code: 'DPoP', pushed: 'DPoP', device: 'DPoP', refreshed: ['DPoP', true], subject: userId, bound: true },
        calls: [...PATHS.map(() => 200), 200],
        revoked: true,
      });
      assert.deepEqual(called(), [...PATHS.map(() => 'GET'), 'POST']);
    });
  });
}

/** A guard before the API that takes the org's tokens, and wants a nonce in every proof. */
async function guardFor({ url: issuer }, { origin: upstream }) {
  const listen = `127.0.0.1:${await freePort()}`;
  const policy = {
    ...{ resources: [`http://${listen}`], nonces: { required: 'always' } },
    issuers: [{ issuer, audiences: [issuer] }],
  };
  return GuardProcess.start({ face: ['--upstream', upstream], policy, listen });
}

const guarded = () => PATHS.map((path) => guard.url + THINGS_PATH + path);

/** The methods of what reached the API. */
const called = () => api.taken().map(({ method }) => method);

/** What the program on the library printed, whose user goes where it says. */
async function run(task) {
  const child = workspace.startOther(here('.venv/bin/python'), [here('lib/python_client.py')]);
  child.stdin.write(`${JSON.stringify(task)}\n`);
  let told;
  for await (const line of createInterface({ input: child.stdout })) {
    told = JSON.parse(line);
    if (!told.visit) continue;
    const page = await new Browser().approve(told.visit, { username: USER.login, password: USER.password });
    child.stdin.write(`${page.url.href}\n`);
  }
  assert.ok(told && !told.visit, child.complaints);
  return told;
}
