// What Keybound's local org refuses, and how it says so: attacks and faults sent by software that we did not write.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { brokenProofs, brokenProofsWithoutToken } from './lib/broken-proofs.mjs';
import { challengesOf, Client, discover } from './lib/client.mjs';
import { KeyPair } from './lib/keys.mjs';
import { Org, SCOPE, USERS_PATH } from './lib/org.mjs';
import { makeProof } from './lib/proof.mjs';

let org, server;
before(async () => {
  org = await Org.start();
  server = await discover(org.url, 'oauth2');
});
after(() => org?.stop());

for (const algorithm of ['RS256', 'ES256']) {
  describe(`the management API, from a client with ${algorithm} keys, refuses`, () => {
    let dpopKey, thiefKey, client, accessToken, request;

    before(async () => {
      const clientKey = await KeyPair.generate(algorithm);
      dpopKey = await KeyPair.generate(algorithm);
      thiefKey = await KeyPair.generate(algorithm);
      client = new Client({ server, clientId: await org.createApp({ key: clientKey }), clientKey, dpopKey });
      ({ access_token: accessToken } = await client.token(SCOPE));
      request = { method: 'GET', url: `${org.url}${USERS_PATH}?limit=1`, accessToken };
    });

    /** The answer to the good token with this proof. */
    const present = (proof, scheme = 'DPoP') =>
      fetch(request.url, { headers: { authorization: `${scheme} ${accessToken}`, ...(proof && { dpop: proof }) } });

    test('nothing where all is well', async () => {
      assert.equal((await present(await makeProof(dpopKey, request))).status, 200);
    });

    for (const { rule, name, make, errorAtResource } of brokenProofs(algorithm)) {
      test(`a proof that ${name} (${rule})`, async () => {
        await assertRefused(await present(await make(dpopKey, request)), 401, errorAtResource);
      });
    }

    test('a bound token without a proof (R3)', async () => {
      await assertRefused(await present(undefined), 401, 'invalid_dpop_proof');
    });

    test('two proofs joined by a comma (P1)', async () => {
      const proofs = await Promise.all([makeProof(dpopKey, request), makeProof(dpopKey, request)]);
      await assertRefused(await present(proofs.join(', ')), 401, 'invalid_dpop_proof');
    });

    test('a proof that was seen before (C1)', async () => {
      const proof = await makeProof(dpopKey, request);
      assert.equal((await present(proof)).status, 200);
      await assertRefused(await present(proof), 401, 'invalid_dpop_proof');
    });

    test('a stolen token with a good proof by the key of the thief (check 12)', async () => {
      // invalid_token, as in the example of RFC 9449 section 7.1: "Invalid DPoP key binding".
      await assertRefused(await present(await makeProof(thiefKey, request)), 401, 'invalid_token');
    });

    test('a bound token sent as Bearer, with a proof and without (R4)', async () => {
      await assertRefused(await present(undefined, 'Bearer'), 401, 'invalid_token');
      await assertRefused(await present(await makeProof(dpopKey, request), 'Bearer'), 401, 'invalid_token');
    });

    test('a request without credentials, naming no error (R2)', async () => {
      await assertRefused(await fetch(request.url), 401, undefined);
    });

    test('a write with a token for reading, naming the scope that it wants (R3)', async () => {
      const profile = { firstName: 'A', lastName: 'B', email: 'a@b.example', login: 'a@b.example' };
      const body = JSON.stringify({ profile });
      const write = client.call(accessToken, request.url, { method: 'POST', body, headers: JSON_BODY });
      await assert.rejects(write, ({ status, cause: challenges }) => {
        const { error, scope } = dpopChallenge(challenges);
        assert.deepEqual([status, error, scope], [403, 'insufficient_scope', 'okta.users.manage']);
        return true;
      });
    });
  });

  describe(`the token endpoint, from a client with ${algorithm} keys, refuses`, () => {
    let clientKey, dpopKey, clientId;

    before(async () => {
      clientKey = await KeyPair.generate(algorithm);
      dpopKey = await KeyPair.generate(algorithm);
      clientId = await org.createApp({ key: clientKey });
    });

    const newClient = (options) => new Client({ server, clientId, clientKey, dpopKey, ...options });

    test('nothing where all is well', async () => {
      assert.equal((await newClient().token(SCOPE)).token_type, 'dpop');
    });

    /** A client whose proofs are made by `make`, from the answer to the nonce challenge on. */
    function clientThatProves(make) {
      let nonce;
      const fetchWithProof = async (target, init) => {
        const request = { method: init.method, url: target, nonce };
        const headers = nonce ? { ...init.headers, dpop: await make(dpopKey, request) } : init.headers;
        const response = await fetch(target, { ...init, headers });
        nonce ??= response.headers.get('dpop-nonce');
        return response;
      };
      return newClient({ fetch: fetchWithProof });
    }

    for (const { rule, name, make } of brokenProofsWithoutToken(algorithm)) {
      test(`a proof that ${name} (${rule}, A2)`, async () => {
        await assert.rejects(clientThatProves(make).token(SCOPE), { status: 400, error: 'invalid_dpop_proof' });
      });
    }

    test('a token without a proof, where the app requires one (A6)', async () => {
      await assert.rejects(newClient({ dpopKey: undefined }).token(SCOPE), {
        status: 400,
        error: 'invalid_dpop_proof',
      });
    });

    test('a proof with a nonce that it did not give (A3)', async () => {
      const guessing = clientThatProves((key, request) => makeProof(key, { ...request, nonce: 'A'.repeat(32) }));
      await assert.rejects(guessing.token(SCOPE), (error) => oauth.isDPoPNonceError(error));
    });

    test('a proof that was seen before (C1)', async () => {
      let first;
      const replaying = clientThatProves(async (key, request) => (first ??= await makeProof(key, request)));
      await replaying.token(SCOPE);
      await assert.rejects(replaying.token(SCOPE), { status: 400, error: 'invalid_dpop_proof' });
    });

    test('an assertion that was used before (J2)', async () => {
      const assertions = [];
      const replaying = (target, init) => {
        assertions.push(init.body.get('client_assertion'));
        const body = new URLSearchParams(init.body);
        body.set('client_assertion', assertions[1] ?? assertions[0]); // the first one meets the nonce challenge
        return fetch(target, { ...init, body });
      };
      const client = newClient({ fetch: replaying });
      await client.token(SCOPE);
      await assert.rejects(client.token(SCOPE), { error: 'invalid_client' });
    });

    test('an assertion by a key that is not registered (J3)', async () => {
      const unregistered = newClient({ clientKey: await KeyPair.generate(algorithm) });
      await assert.rejects(unregistered.token(SCOPE), { error: 'invalid_client' });
    });

    test('an assertion for another server (J1)', async () => {
      const lost = newClient({ audience: 'https://elsewhere.example/oauth2/v1/token' });
      await assert.rejects(lost.token(SCOPE), { error: 'invalid_client' });
    });

    test('a scope that was not granted to the app', async () => {
      await assert.rejects(newClient().token('okta.groups.manage'), { status: 400, error: 'invalid_scope' });
    });
  });
}

test('an unbound token under the DPoP scheme is refused (R4)', async () => {
  const clientKey = await KeyPair.generate('ES256');
  const clientId = await org.createApp({ key: clientKey, dpop: 'off' });
  const { access_token: accessToken } = await new Client({ server, clientId, clientKey }).token(SCOPE);
  const request = { method: 'GET', url: org.url + USERS_PATH, accessToken };
  const headers = { authorization: `DPoP ${accessToken}`, dpop: await makeProof(clientKey, request) };
  await assertRefused(await fetch(request.url, { headers }), 401, 'invalid_token');
});

const JSON_BODY = { 'content-type': 'application/json' };

/** The status, and a DPoP challenge with this error that names the algorithms of Okta (RFC 9449 section 7.1). */
async function assertRefused(response, status, error) {
  assert.equal(response.status, status);
  const challenge = dpopChallenge(await challengesOf(response));
  assert.equal(challenge.error, error);
  assert.ok(['RS256', 'ES256', 'ES512'].every((algorithm) => challenge.algs.split(' ').includes(algorithm)));
}

function dpopChallenge(challenges) {
  const challenge = challenges.find(({ scheme }) => scheme === 'dpop');
  assert.ok(challenge, 'there is a DPoP challenge');
  return challenge.parameters;
}
