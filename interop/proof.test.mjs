// Proofs both ways: made by dpop and jose and checked by Keybound, made by Keybound and checked by jose.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import * as dpop from 'dpop';
import * as jose from 'jose';
import { brokenProofs } from './lib/broken-proofs.mjs';
import { ALGORITHMS, KeyPair } from './lib/keys.mjs';
import { Workspace } from './lib/program.mjs';
import { checkProof, makeProof, proofParts, signProof } from './lib/proof.mjs';

const ACCESS_TOKEN = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'; // the one of RFC 9449
const REQUEST = { method: 'GET', url: 'https://api.example.com/orders/7?limit=2#top', accessToken: ACCESS_TOKEN };

let workspace;
before(async () => (workspace = await Workspace.create()));

/** What `keybound inspect` finds in a proof for this request. */
async function inspect(proof, { method, url, accessToken, nonce }) {
  const { code, stdout, stderr } = await workspace.run(
    [
      ...['inspect', '--method', method, '--url', url],
      ...(accessToken ? ['--access-token', accessToken] : []),
      ...(nonce ? ['--nonce', nonce] : []),
    ],
    { input: proof },
  );
  return { code, findings: stdout && JSON.parse(stdout), stderr };
}

describe('Keybound accepts a good proof', () => {
  for (const algorithm of ALGORITHMS) {
    test(`by jose, ${algorithm}`, async () => {
      const key = await KeyPair.generate(algorithm);
      assertAccepted(await inspect(await makeProof(key, REQUEST), REQUEST), key.thumbprint);
    });
  }

  for (const algorithm of ['RS256', 'PS256', 'ES256', 'Ed25519']) {
    test(`by dpop, ${algorithm}`, async () => {
      const pair = await dpop.generateKeyPair(algorithm);
      const request = { ...REQUEST, method: 'POST', nonce: 'a-nonce' };
      // dpop leaves the query in `htu` where its caller does; a server looks past it (check 9).
      const proof = await dpop.generateProof(pair, request.url, request.method, request.nonce, ACCESS_TOKEN);
      assertAccepted(await inspect(proof, request), await dpop.calculateThumbprint(pair.publicKey));
    });
  }

  // RFC 3986 sections 6.2.2 and 6.2.3: what a URL parser would change in a URL does not matter.
  const WRITINGS = [
    'https://API.EXAMPLE.com/orders/7',
    'HTTPS://api.example.com:443/orders/7?other=query',
    'https://api.example.com/orders/./x/../7#fragment',
  ];
  for (const htu of WRITINGS) {
    test(`whose htu is written ${htu} (check 9)`, async () => {
      const key = await KeyPair.generate('ES256');
      const parts = proofParts(key, REQUEST);
      parts.claims.htu = htu;
      assertAccepted(await inspect(await signProof(parts, key), REQUEST), key.thumbprint);
    });
  }
});

for (const algorithm of ['RS256', 'ES256']) {
  describe(`Keybound refuses an ${algorithm} proof by jose that`, () => {
    let key;
    before(async () => (key = await KeyPair.generate(algorithm)));

    for (const { rule, name, make } of brokenProofs(algorithm)) {
      test(`${name} (${rule})`, async () => {
        assertRefused(await inspect(await make(key, REQUEST), REQUEST), rule);
      });
    }

    for (const [name, nonce] of [
      ['lacks the nonce', undefined],
      ['has another nonce', 'another'],
    ]) {
      test(`${name} (check 10)`, async () => {
        const proof = await makeProof(key, { ...REQUEST, nonce });
        assertRefused(await inspect(proof, { ...REQUEST, nonce: 'a-nonce' }), 'RFC 9449 section 4.3, check 10');
      });
    }
  });
}

describe("jose accepts Keybound's proof", () => {
  for (const algorithm of ALGORITHMS) {
    describe(`with a new ${algorithm} key`, () => {
      let prefix, publicJwk;
      before(async () => {
        prefix = workspace.path(algorithm);
        const { code, stderr } = await workspace.run(['keys', 'new', '--alg', algorithm, '--out', prefix]);
        assert.equal(code, 0, stderr);
        publicJwk = JSON.parse(await readFile(`${prefix}_public_key.json`, 'utf8'));
      });

      const prove = async (request) => {
        const { stdout, stderr, code } = await workspace.run([
          ...['proof', '--key', `${prefix}_private_key.pem`, '--alg', algorithm],
          ...['--method', request.method, '--url', request.url],
          ...(request.accessToken ? ['--access-token', request.accessToken] : []),
          ...(request.nonce ? ['--nonce', request.nonce] : []),
        ]);
        assert.equal(code, 0, stderr);
        return stdout.trim();
      };

      test('for a resource: ath of the token, htu without query and fragment (P2, P3, P4)', async () => {
        const thumbprint = await jose.calculateJwkThumbprint(publicJwk);
        const { claims, header } = await checkProof(await prove(REQUEST), { ...REQUEST, thumbprint });
        assert.equal(claims.htu, 'https://api.example.com/orders/7');
        assert.equal(header.typ, 'dpop+jwt');
        assert.equal(header.alg, algorithm);
        assert.deepEqual(Object.keys(header.jwk).sort(), Object.keys(thumbprintMembers(header.jwk)).sort());
      });

      test('for a token endpoint: the nonce, no ath, and a jti of its own each time (P3, P4)', async () => {
        const request = { method: 'POST', url: 'https://server.example.com/token', nonce: 'a-nonce' };
        const [first, second] = await Promise.all([prove(request), prove(request)]);
        const { claims } = await checkProof(first, request);
        assert.equal(claims.ath, undefined);
        assert.notEqual((await checkProof(second, request)).claims.jti, claims.jti);
        assert.ok(claims.jti.length >= 16, 'at least 96 bits in base64url');
      });

      test("and jose reads the private key's PEM", async () => {
        const pem = await readFile(`${prefix}_private_key.pem`, 'utf8');
        const key = await jose.importPKCS8(pem, algorithm, { extractable: true });
        const { kid, ...jwk } = publicJwk;
        const fromPem = await jose.exportJWK(key);
        assert.equal(await jose.calculateJwkThumbprint(fromPem), await jose.calculateJwkThumbprint(jwk));
        assert.equal(kid, await jose.calculateJwkThumbprint(jwk));
      });
    });
  }
});

/** The members of which a thumbprint is made (RFC 7638, RFC 8037): what a proof's jwk needs, and no more. */
function thumbprintMembers({ kty, n, e, crv, x, y }) {
  const members = { RSA: { kty, n, e }, EC: { kty, crv, x, y }, OKP: { kty, crv, x } };
  return members[kty];
}

function assertAccepted({ code, findings, stderr }, thumbprint) {
  assert.equal(code, 0, stderr);
  assert.equal(findings.accepted, true);
  assert.equal(findings.thumbprint, thumbprint);
}

function assertRefused({ code, findings, stderr }, rule) {
  assert.notEqual(code, 0);
  assert.equal(findings?.accepted, false, stderr);
  const broken = findings.rules.filter(({ outcome }) => outcome === 'failed').map(({ source }) => source);
  assert.ok(broken.includes(rule), `${rule} is among the broken rules: ${broken.join('; ')}`);
}
