// A program that knows nothing of DPoP, by way of `keybound proxy`: Node's own `fetch` calls a resource guarded by jose,
// whose nonce changes with every answer, with tokens of oidc-provider.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { KeyPair } from './lib/keys.mjs';
import { Workspace, firstLine } from './lib/program.mjs';
import { SCOPE, TOKEN_PATH } from './lib/provider.mjs';
import { THINGS, THINGS_PATH } from './lib/resource.mjs';
import { openService } from './lib/service.mjs';

const CLIENT_ID = 'keybound';

describe('with `keybound proxy`, a program without DPoP', () => {
  let workspace, service, proxy, child;

  before(async () => {
    workspace = await Workspace.create();
    const clientKey = await KeyPair.generate('RS256');
    service = await openService({ clientId: CLIENT_ID, clientKey, tokenAlgorithm: 'ES256' });
    const environment = {
      OKTA_ORG_URL: service.origin,
      OKTA_CLIENT_ID: CLIENT_ID,
      OKTA_SCOPES: SCOPE,
      OKTA_CC_PRIVATE_KEY_FILE: await clientKey.writePrivatePem(workspace.path('cc_private_key.pem')),
    };
    child = workspace.start(['proxy', '--listen', '127.0.0.1:0'], { environment });
    proxy = await firstLine(child);
  });
  after(async () => {
    child?.kill();
    await service?.close();
  });

  const call = (url, options = {}) =>
    fetch(new URL(url, proxy.url), { ...options, headers: { authorization: `Bearer ${proxy.secret}` } });

  test('follows the pages of a list', async () => {
    const things = [];
    for (let url = `${THINGS_PATH}?limit=2`; url; ) {
      const answer = await call(url);
      assert.equal(answer.status, 200);
      things.push(...(await answer.json()));
      url = /<([^>]*)>; rel="next"/.exec(answer.headers.get('link'))?.[1];
      assert.ok(!url || url.startsWith(proxy.url), url);
    }
    assert.deepEqual(things, THINGS);
  });

  test('makes many calls at once, for which the proxy asks for one token', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(THINGS_PATH)));
    // The resource knows one nonce at a time, and changes it with every answer: some may find it changed too often.
    assert.ok(answers.some(({ status }) => status === 200));
    const requests = service.wire.to(TOKEN_PATH);
    assert.deepEqual(
      requests.map(({ response }) => response.status),
      [400, 200],
    );
  });

  test('has its secret kept from the resource', () => {
    for (const { request } of service.wire.to(THINGS_PATH)) {
      assert.match(request.headers.authorization, /^DPoP /);
      assert.ok(!JSON.stringify(request.headers).includes(proxy.secret));
    }
  });

  test('changes nothing that was not allowed, and gets nothing without the secret', async () => {
    const sent = service.wire.to(THINGS_PATH).length;
    assert.equal((await call(THINGS_PATH, { method: 'DELETE' })).status, 403);
    assert.equal((await fetch(new URL(THINGS_PATH, proxy.url))).status, 401);
    assert.equal(service.wire.to(THINGS_PATH).length, sent);
  });
});
