// Keybound's local org, seen by a client that we did not write: oauth4webapi finds it, gets tokens from it and calls
// its management API.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as jose from 'jose';
import { Client, discover } from './lib/client.mjs';
import { KeyPair, OKTA_ALGORITHMS } from './lib/keys.mjs';
import { Org, SCOPE, USERS_PATH } from './lib/org.mjs';

const MADE_UP_USERS = 200;
const PROOF_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];

let org, server;
before(async () => {
  org = await Org.start();
  server = await discover(org.url, 'oidc');
});
after(() => org?.stop());

for (const algorithm of ['oidc', 'oauth2']) {
  test(`${algorithm} discovery says what a DPoP client has to know (A6)`, async () => {
    const metadata = await discover(org.url, algorithm);
    assert.equal(metadata.issuer, org.url);
    assert.equal(metadata.token_endpoint, `${org.url}/oauth2/v1/token`);
    assert.equal(metadata.jwks_uri, `${org.url}/oauth2/v1/keys`);
    assert.deepEqual(metadata.dpop_signing_alg_values_supported.toSorted(), PROOF_ALGORITHMS.toSorted());
    assert.ok(metadata.grant_types_supported.includes('client_credentials'));
    assert.ok(metadata.token_endpoint_auth_methods_supported.includes('private_key_jwt'));
  });
}

for (const algorithm of OKTA_ALGORITHMS) {
  describe(`a client with ${algorithm} keys`, () => {
    let dpopKey, clientId, client, responses;

    before(async () => {
      const clientKey = await KeyPair.generate(algorithm);
      dpopKey = await KeyPair.generate(algorithm);
      clientId = await org.createApp({ key: clientKey });
      client = () => new Client({ server, clientId, clientKey, dpopKey, fetch: keeping(responses) });
    });
    beforeEach(() => (responses = []));

    test('gets a bound token after one nonce challenge, and the next one without (A1, A3, A4, A5, A9)', async () => {
      const caller = client();
      const granted = await caller.token(SCOPE);
      assert.equal(granted.token_type, 'dpop');
      assert.equal(granted.scope, SCOPE);
      assert.ok(granted.expires_in > 0 && granted.expires_in <= 3600);
      await caller.token(SCOPE);

      assert.deepEqual(statuses(responses), [400, 200, 200]);
      assert.equal((await responses[0].json()).error, 'use_dpop_nonce');
      assert.match(responses[0].headers.get('dpop-nonce'), /^[\x21\x23-\x5B\x5D-\x7E]+$/);
      for (const { headers } of responses) assert.match(headers.get('cache-control'), /\bno-store\b/);
    });

    test("gets a token that jose verifies with the org's keys, bound to the key of the proof (A8)", async () => {
      const { access_token: accessToken } = await client().token(SCOPE);
      const { payload } = await jose.jwtVerify(accessToken, jose.createRemoteJWKSet(new URL(server.jwks_uri)), {
        issuer: org.url,
        requiredClaims: ['aud', 'exp', 'iat', 'jti', 'sub'],
      });
      assert.deepEqual(payload.cnf, { jkt: dpopKey.thumbprint });
      assert.equal(payload.cid, clientId);
      assert.deepEqual(payload.scp, [SCOPE]);
    });

    test('lists all users page by page, with one proof for each page (R1, P4)', async () => {
      const caller = client();
      const { access_token: accessToken } = await caller.token(SCOPE);
      responses.length = 0;

      const pages = await caller.pages(accessToken, `${org.url}${USERS_PATH}?limit=60`);
      const sizes = pages.map(({ length }) => length);
      assert.deepEqual(sizes, [60, 60, 60, 20]);
      assert.equal(new Set(pages.flat().map(({ id }) => id)).size, MADE_UP_USERS);
      assert.deepEqual(statuses(responses), [200, 200, 200, 200]);
    });
  });
}

const AUDIENCES = { 'the issuer': () => server.issuer, 'the token endpoint': () => server.token_endpoint };
for (const [name, audience] of Object.entries(AUDIENCES)) {
  test(`an assertion whose audience is ${name} is accepted (J1)`, async () => {
    const clientKey = await KeyPair.generate('ES256');
    const clientId = await org.createApp({ key: clientKey, dpop: 'off' });
    const client = new Client({ server, clientId, clientKey, audience: audience() });
    assert.equal((await client.token(SCOPE)).token_type, 'bearer');
  });
}

test('an app with DPoP off lists users with a Bearer token', async () => {
  const clientKey = await KeyPair.generate('RS256');
  const clientId = await org.createApp({ key: clientKey, dpop: 'off' });
  const client = new Client({ server, clientId, clientKey });
  const { access_token: accessToken } = await client.token(SCOPE);
  assert.equal(jose.decodeJwt(accessToken).cnf, undefined);
  assert.equal((await client.pages(accessToken, org.url + USERS_PATH)).flat().length, MADE_UP_USERS);
});

test('over https, Node trusts the org by its exported certificate authority, and not without', async () => {
  const secure = await Org.start({ http: false });
  try {
    const clientKey = await KeyPair.generate('RS256');
    const clientId = await secure.createApp({ key: clientKey });
    const task = {
      url: secure.url,
      listUrl: secure.url + USERS_PATH,
      scope: SCOPE,
      clientId,
      clientKey: await clientKey.exportPrivateJwk(),
    };

    assert.equal(await listUsersOverHttps(task, { NODE_EXTRA_CA_CERTS: secure.authority }), `${MADE_UP_USERS}\n`);
    await assert.rejects(listUsersOverHttps(task, {}), /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/);
  } finally {
    await secure.stop();
  }
});

async function listUsersOverHttps(task, environment) {
  const script = fileURLToPath(new URL('lib/https-client.mjs', import.meta.url));
  const child = spawn(process.execPath, [script], { env: { PATH: process.env.PATH, ...environment }, timeout: 20_000 });
  child.stdin.end(JSON.stringify(task));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (stderr) throw new Error(stderr);
  return stdout;
}

/** A fetch that keeps each response; what it returns is read by the caller, what it keeps by the test. */
const keeping = (responses) => async (target, init) => {
  const response = await fetch(target, init);
  responses.push(response.clone());
  return response;
};

const statuses = (responses) => responses.map(({ status }) => status);
