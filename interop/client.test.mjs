// Keybound's client against servers that we did not write: it gets a token from oidc-provider and calls a resource
// guarded by jose. Everything that goes over the wire is looked at.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as jose from 'jose';
import { KeyPair, OKTA_ALGORITHMS } from './lib/keys.mjs';
import { Workspace } from './lib/program.mjs';
import { checkProof } from './lib/proof.mjs';
import { SCOPE, TOKEN_PATH } from './lib/provider.mjs';
import { THINGS, THINGS_PATH } from './lib/resource.mjs';
import { openService } from './lib/service.mjs';

const CLIENT_ID = 'keybound';
const LONGEST_ASSERTION_SECONDS = 3600;

/** Pairs of algorithms: of the client's assertions, of its proofs. */
const PAIRS = [...OKTA_ALGORITHMS.map((algorithm) => [algorithm, algorithm]), ['RS256', 'ES256'], ['ES256', 'RS256']];

for (const [ofAssertions, ofProofs] of PAIRS) {
  describe(`with an ${ofAssertions} client key and an ${ofProofs} DPoP key, \`keybound api\``, () => {
    let workspace, service, clientKey, dpopKey, result, tokenRequests, calls;

    // One call of three pages is enough to look at from all sides.
    before(async () => {
      workspace = await Workspace.create();
      clientKey = await KeyPair.generate(ofAssertions);
      dpopKey = await KeyPair.generate(ofProofs);
      service = await openService({ clientId: CLIENT_ID, clientKey, tokenAlgorithm: 'ES256' });
      const environment = await settings({ workspace, service, clientKey, dpopKey });
      result = await workspace.run(['api', `${THINGS_PATH}?limit=2`, '--paginate'], { environment });
      tokenRequests = service.wire.to(TOKEN_PATH);
      calls = service.wire.to(THINGS_PATH);
    });
    after(() => service?.close());

    test('prints all things of all pages', () => {
      assert.equal(result.code, 0, result.stderr);
      assert.deepEqual(JSON.parse(result.stdout), THINGS);
    });

    test('sends exactly two token requests: it is challenged once and answers (A3)', () => {
      assert.deepEqual(statuses(tokenRequests), [400, 200]);
      assert.equal(JSON.parse(tokenRequests[0].response.body).error, 'use_dpop_nonce');
      assert.equal(JSON.parse(tokenRequests[1].response.body).token_type, 'DPoP');
    });

    test('asks for a token by client credentials, and nothing else', () => {
      for (const { request } of tokenRequests) {
        const { client_assertion: _, ...form } = Object.fromEntries(new URLSearchParams(request.body));
        assert.deepEqual(form, {
          grant_type: 'client_credentials',
          scope: SCOPE,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          ...(form.client_id && { client_id: CLIENT_ID }),
        });
        assert.equal(request.method, 'POST');
        assert.equal(request.headers.authorization, undefined);
      }
    });

    test('authenticates each time by a fresh assertion (J1, J2)', async () => {
      const assertions = await Promise.all(tokenRequests.map(({ request }) => verifiedAssertion(request)));
      for (const { iss, sub, aud, exp, iat } of assertions) {
        assert.deepEqual({ iss, sub, aud }, { iss: CLIENT_ID, sub: CLIENT_ID, aud: service.origin + TOKEN_PATH });
        assert.ok(exp - iat <= LONGEST_ASSERTION_SECONDS);
      }
      assert.ok(allDifferent(assertions.map(({ jti }) => jti)));
    });

    const verifiedAssertion = async ({ body }) => {
      const assertion = new URLSearchParams(body).get('client_assertion');
      const options = { requiredClaims: ['jti', 'exp', 'iat'], algorithms: [ofAssertions] };
      return (await jose.jwtVerify(assertion, clientKey.publicKey, options)).payload;
    };

    test('proves each request by one fresh proof, with the newest nonce and the hash of the token (P1 to P4, A4, R1)', async () => {
      const { access_token: accessToken } = JSON.parse(tokenRequests[1].response.body);
      const ofTokenRequests = await provenInTurn(tokenRequests, { method: 'POST' });
      const ofCalls = await provenInTurn(calls, { method: 'GET', accessToken });

      assert.deepEqual([ofTokenRequests.length, ofCalls.length], [2, 4]);
      assert.equal(ofTokenRequests[0].nonce, undefined);
      assert.ok(allDifferent([...ofTokenRequests, ...ofCalls].map(({ jti }) => jti)));
      for (const { htu } of ofCalls) assert.equal(htu, service.origin + THINGS_PATH);
      for (const { request } of calls) assert.equal(request.headers.authorization, `DPoP ${accessToken}`);
    });

    /** The claims of the proofs of consecutive requests to one server, each checked whole. */
    const provenInTurn = async (exchanges, expected) => {
      const proven = [];
      let nonce; // the newest that this server gave
      for (const { request, response } of exchanges) {
        const url = service.origin + request.target;
        const context = { ...expected, url, nonce, thumbprint: dpopKey.thumbprint };
        proven.push((await checkProof(theOneProof(request), context)).claims);
        nonce = response.headers['dpop-nonce'] ?? nonce;
      }
      return proven;
    };

    test('answers the one challenge of the resource, and follows its pages (R5)', () => {
      assert.deepEqual(statuses(calls), [401, 200, 200, 200]);
      assert.match(calls[0].response.headers['www-authenticate'], /error="use_dpop_nonce"/);
    });

    test('says nothing of tokens, proofs and assertions', () => {
      const said = result.stdout + result.stderr;
      for (const { request } of service.wire.exchanges) {
        const secrets = [request.headers.dpop, new URLSearchParams(request.body).get('client_assertion')];
        for (const secret of secrets.filter(Boolean)) assert.ok(!said.includes(secret));
      }
      assert.ok(!said.includes(JSON.parse(tokenRequests[1].response.body).access_token));
    });
  });
}

describe('`keybound api` fails, in words, where the server', () => {
  let workspace, service, clientKey;
  before(async () => {
    workspace = await Workspace.create();
    clientKey = await KeyPair.generate('ES256');
    service = await openService({ clientId: CLIENT_ID, clientKey, tokenAlgorithm: 'RS256' });
  });
  after(() => service?.close());

  test('does not know the key (J3)', async () => {
    const stranger = await KeyPair.generate('ES256');
    const environment = await settings({ workspace, service, clientKey: stranger, dpopKey: stranger });
    const { code, stdout, stderr } = await workspace.run(['api', THINGS_PATH], { environment });
    assert.notEqual(code, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /invalid_client/);
  });
});

/** The settings of Okta's samples, by which Keybound is pointed at this service. */
async function settings({ workspace, service, clientKey, dpopKey }) {
  return {
    OKTA_ORG_URL: service.origin,
    OKTA_CLIENT_ID: CLIENT_ID,
    OKTA_SCOPES: SCOPE,
    OKTA_CC_PRIVATE_KEY_FILE: await clientKey.writePrivatePem(workspace.path('cc_private_key.pem')),
    OKTA_DPOP_PRIVATE_KEY_FILE: await dpopKey.writePrivatePem(workspace.path('dpop_private_key.pem')),
  };
}

/** Check 1: the value of the one DPoP field. */
function theOneProof({ rawHeaders }) {
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  const positions = names.flatMap((name, index) => (name.toLowerCase() === 'dpop' ? [index] : []));
  assert.equal(positions.length, 1);
  return rawHeaders[positions[0] * 2 + 1];
}

const statuses = (exchanges) => exchanges.map(({ response }) => response.status);
const allDifferent = (values) => new Set(values).size === values.length;
