// Keybound signs a user in at oidc-provider: in the browser, with and without pushed requests, and on another device;
// the tokens are bound, and refreshed with rotation. What is run is the example `sign_in`.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import * as jose from 'jose';
import { Browser } from './lib/browser.mjs';
import { Workspace } from './lib/program.mjs';
import { checkProof } from './lib/proof.mjs';
import { CLIENT_ID, SCOPE, SERVICE, openUserProvider } from './lib/user-provider.mjs';

// Examples are built beside the program.
const SIGN_IN = join(dirname(process.env.KEYBOUND), 'examples', 'sign_in');
const USER_SCOPES = ['openid', 'offline_access', SCOPE];

/** Runs the example; `approve` gets what it asks the user for. Returns the lines that it printed after that. */
async function signIn(provider, [clientId, how, ...scopes], { environment, approve } = {}) {
  const workspace = await Workspace.create();
  const child = workspace.startOther(SIGN_IN, [provider.origin, clientId, how, ...scopes], { environment });
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const tokens = [];
  let page;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    if (said.open) page = approve(said).catch((cause) => child.kill() && Promise.reject(cause));
    else tokens.push(said);
  }
  const code = await ended;
  return { code, complaints: child.complaints, tokens, page: await page };
}

/** A user who approves in a browser whatever the program opens. */
const approving = (browser) => ({ open, type }) => browser.approve(open, type && { user_code: type });

/** Every request to `path` has one proof that holds, of the key that the tokens are bound to, with the newest nonce. */
async function assertProven(provider, path, boundTo) {
  let nonce;
  const identifiers = new Set();
  for (const { request, response } of provider.wire.to(path)) {
    const context = { method: 'POST', url: provider.origin + path, nonce, thumbprint: boundTo };
    const { claims } = await checkProof(request.headers.dpop, context);
    assert.ok(!identifiers.has(claims.jti));
    identifiers.add(claims.jti);
    nonce = response.headers['dpop-nonce'] ?? nonce;
  }
}

/** The access token is one of the provider's, bound to the key. */
async function assertBound(provider, { access_token, token_type, bound_to }) {
  const { payload } = await jose.jwtVerify(access_token, provider.key.publicKey, { issuer: provider.origin });
  assert.deepEqual([token_type, payload.cnf.jkt], ['DPoP', bound_to]);
  return payload;
}

const form = ({ request }) => Object.fromEntries(new URLSearchParams(request.body));
const statuses = (exchanges) => exchanges.map(({ response }) => response.status);

for (const [algorithm, pushed] of [
  ['ES256', false],
  ['RS256', true],
  ['EdDSA', true],
]) {
  const place = pushed ? 'pushed' : 'in the URL';
  describe(`in a browser, with ${algorithm} proofs and the request ${place}`, () => {
    let provider, browser, result;
    before(async () => {
      provider = await openUserProvider({ pushed });
      browser = new Browser();
      const options = { environment: { PROOF_ALGORITHM: algorithm }, approve: approving(browser) };
      result = await signIn(provider, [CLIENT_ID, 'browser', ...USER_SCOPES], options);
    });
    after(() => provider?.close());

    test('the user comes back to a page that nothing leaks from, and the program has its tokens', async () => {
      assert.equal(result.code, 0, result.complaints);
      assert.equal(result.page.status, 200);
      assert.match(result.page.headers.get('content-security-policy'), /default-src 'none'/);
      assert.equal(result.page.headers.get('cache-control'), 'no-store');
      for (const token of result.tokens) assert.equal((await assertBound(provider, token)).sub, 'alice');
    });

    test('the request is bound to the key by dpop_jkt; the browser carries a pushed one by reference', async () => {
      const [{ bound_to: boundTo }] = result.tokens;
      const inBrowser = Object.fromEntries(new URL(browser.visited[0]).searchParams);
      const pushes = provider.wire.to('/request');
      assert.deepEqual(statuses(pushes), pushed ? [400, 201] : []);
      await assertProven(provider, '/request', boundTo);
      if (pushed) assert.deepEqual(Object.keys(inBrowser), ['client_id', 'request_uri']);
      const { dpop_jkt, code_challenge_method, client_id } = pushed ? form(pushes[1]) : inBrowser;
      assert.deepEqual([dpop_jkt, code_challenge_method, client_id], [boundTo, 'S256', CLIENT_ID]);
    });

    test('the code is exchanged and the token refreshed twice, each time by the newest refresh token', async () => {
      const [{ bound_to: boundTo }] = result.tokens;
      await assertProven(provider, '/token', boundTo);
      const granted = provider.wire.to('/token').filter(({ response }) => response.status === 200);
      const sent = granted.map(form);
      const types = sent.map(({ grant_type }) => grant_type);
      assert.deepEqual(types, ['authorization_code', 'refresh_token', 'refresh_token']);
      assert.equal(sent[0].code_verifier.length, 43);
      const given = result.tokens.map(({ refresh_token }) => refresh_token);
      assert.equal(new Set(given).size, 3, 'rotation');
      assert.deepEqual(sent.slice(1).map(({ refresh_token }) => refresh_token), given.slice(0, 2));
    });
  });
}

describe('on another device', () => {
  let provider, result;
  before(async () => {
    provider = await openUserProvider();
    result = await signIn(provider, [CLIENT_ID, 'device', ...USER_SCOPES], { approve: approving(new Browser()) });
  });
  after(() => provider?.close());

  test('the user approves, and the program has bound tokens that refresh', async () => {
    assert.equal(result.code, 0, result.complaints);
    assert.equal(result.tokens.length, 3);
    for (const token of result.tokens) assert.equal((await assertBound(provider, token)).sub, 'alice');
    await assertProven(provider, '/token', result.tokens[0].bound_to);
  });
});

describe('a client of its own right, with a secret that has to be encoded,', () => {
  for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
    test(`gets a token that is bound to an ${algorithm} key`, async () => {
      const provider = await openUserProvider();
      try {
        const environment = { CLIENT_SECRET: SERVICE.clientSecret, PROOF_ALGORITHM: algorithm };
        const asked = [SERVICE.clientId, 'client', SCOPE];
        const { code, complaints, tokens } = await signIn(provider, asked, { environment });
        assert.equal(code, 0, complaints);
        assert.equal((await assertBound(provider, tokens[0])).client_id, SERVICE.clientId);
        assert.deepEqual(statuses(provider.wire.to('/token')), [400, 200]);
        await assertProven(provider, '/token', tokens[0].bound_to);
      } finally {
        await provider.close();
      }
    });
  }
});

describe('the algorithm of proofs', () => {
  test('is the first that both know, and another is refused before anything is asked', async () => {
    const provider = await openUserProvider({ proofAlgorithms: ['RS256', 'EdDSA'] });
    try {
      const environment = { CLIENT_SECRET: SERVICE.clientSecret };
      const chosen = await signIn(provider, [SERVICE.clientId, 'client', SCOPE], { environment });
      assert.equal(chosen.code, 0, chosen.complaints);
      const proof = provider.wire.to('/token')[0].request.headers.dpop;
      assert.equal(jose.decodeProtectedHeader(proof).alg, 'EdDSA');

      const before = provider.wire.to('/token').length;
      const given = { ...environment, PROOF_ALGORITHM: 'ES256' };
      const refused = await signIn(provider, [SERVICE.clientId, 'client', SCOPE], { environment: given });
      assert.notEqual(refused.code, 0);
      assert.match(refused.complaints, /dpop_signing_alg_values_supported/);
      assert.equal(provider.wire.to('/token').length, before);
    } finally {
      await provider.close();
    }
  });
});
