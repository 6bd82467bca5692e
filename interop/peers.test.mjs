// The harness itself: the peers understand each other before Keybound stands on either side. A fault here is a fault
// of the suite.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as dpop from 'dpop';
import * as jose from 'jose';
import { brokenProofs } from './lib/broken-proofs.mjs';
import { Client, discover } from './lib/client.mjs';
import { ALGORITHMS, KeyPair } from './lib/keys.mjs';
import { checkProof, makeProof } from './lib/proof.mjs';
import { SCOPE, TOKEN_PATH } from './lib/provider.mjs';
import { THINGS, THINGS_PATH } from './lib/resource.mjs';
import { openService } from './lib/service.mjs';

const REQUEST = { method: 'GET', url: 'https://api.example.com/things?limit=2', accessToken: 'an-access-token' };

describe('jose and dpop', () => {
  for (const algorithm of ALGORITHMS) {
    test(`a good ${algorithm} proof is accepted`, async () => {
      const key = await KeyPair.generate(algorithm);
      const { thumbprint } = await checkProof(await makeProof(key, REQUEST), REQUEST);
      assert.equal(thumbprint, key.thumbprint);
    });
  }

  test('a proof by dpop is accepted', async () => {
    const pair = await dpop.generateKeyPair('ES256');
    const proof = await dpop.generateProof(pair, REQUEST.url, REQUEST.method, undefined, REQUEST.accessToken);
    const { thumbprint } = await checkProof(proof, REQUEST);
    assert.equal(thumbprint, await dpop.calculateThumbprint(pair.publicKey));
  });

  for (const algorithm of ['RS256', 'ES256']) {
    describe(`a broken ${algorithm} proof is refused that`, () => {
      let key;
      before(async () => (key = await KeyPair.generate(algorithm)));

      for (const { rule, name, make } of brokenProofs(algorithm)) {
        test(`${name} (${rule})`, async () => {
          const proof = await make(key, REQUEST);
          await assert.rejects(checkProof(proof, { ...REQUEST, thumbprint: key.thumbprint }));
        });
      }
    });
  }
});

for (const algorithm of ['RS256', 'ES256']) {
  describe(`oauth4webapi, oidc-provider and jose with ${algorithm}`, () => {
    let service, client;

    before(async () => {
      const clientKey = await KeyPair.generate(algorithm);
      const dpopKey = await KeyPair.generate(algorithm);
      service = await openService({ clientId: 'peer', clientKey, tokenAlgorithm: algorithm });
      client = new Client({ server: await discover(service.origin, 'oidc'), clientId: 'peer', clientKey, dpopKey });
    });
    after(() => service?.close());

    test('a token is granted after the nonce challenge, and opens the resource after its own', async () => {
      const { access_token: accessToken, token_type: type } = await client.token(SCOPE);
      assert.equal(type, 'dpop');
      assert.equal(jose.decodeProtectedHeader(accessToken).alg, algorithm);

      const pages = await client.pages(accessToken, service.origin + THINGS_PATH);
      assert.deepEqual(pages.flat(), THINGS);
      assert.deepEqual(statuses(service.wire.to(TOKEN_PATH)), [400, 200]);
      assert.deepEqual(statuses(service.wire.to(THINGS_PATH)), [401, 200, 200, 200]);
    });

    test('the resource refuses a bound token sent as Bearer, and a proof by another key', async () => {
      const { access_token: accessToken } = await client.token(SCOPE);
      const url = service.origin + THINGS_PATH;
      const send = (headers) => fetch(url, { headers }).then(({ status }) => status);
      const proof = await makeProof(await KeyPair.generate(algorithm), { method: 'GET', url, accessToken });

      assert.equal(await send({ authorization: `Bearer ${accessToken}` }), 401);
      assert.equal(await send({ authorization: `DPoP ${accessToken}`, dpop: proof }), 401);
    });
  });
}

const statuses = (exchanges) => exchanges.map(({ response }) => response.status);
