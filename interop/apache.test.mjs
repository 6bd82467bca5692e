// Modules of Apache's web server, written in C by others: mod_oauth2 guards an API that `keybound proxy` calls with
// key-bound tokens of the local org, and mod_auth_openidc has users sign in at the org.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Api, THINGS, THINGS_PATH } from './lib/api.mjs';
import { freeOrigin, startApache } from './lib/apache.mjs';
import { Browser } from './lib/browser.mjs';
import { Client, discover } from './lib/client.mjs';
import { KeyPair } from './lib/keys.mjs';
import { Org, SCOPE } from './lib/org.mjs';
import { endOf, firstLine, Workspace } from './lib/program.mjs';
import { makeProof } from './lib/proof.mjs';

const USER = { login: 'ada@example.com', password: 'Correct-Horse-9' };

let org, api;
before(async () => {
  org = await Org.start();
  api = await Api.open();
});
after(() => Promise.all([org?.stop(), api?.close()]));

for (const algorithm of ['ES256', 'RS256']) {
  describe(`mod_oauth2, with ${algorithm} proofs,`, () => {
    let apache, key, clientId;
    before(async () => {
      key = await KeyPair.generate(algorithm);
      clientId = await org.createApp({ key });
      apache = await startApache({
        ...{ api, module: 'oauth2' },
        location: `AuthType oauth2
OAuth2AcceptTokenIn header name=Authorization&type=DPoP
OAuth2TokenVerify jwks_uri ${org.url}/oauth2/v1/keys type=dpop
Require valid-user`,
      });
    });
    after(() => apache?.stop());

    test('lets in who calls by way of `keybound proxy`', async () => {
      const workspace = await Workspace.create();
      const environment = {
        OKTA_ORG_URL: org.url,
        OKTA_CLIENT_ID: clientId,
        OKTA_SCOPES: SCOPE,
        OKTA_CC_PRIVATE_KEY_FILE: await key.writePrivatePem(workspace.path('cc_private_key.pem')),
        OKTA_DPOP_PRIVATE_KEY_FILE: await key.writePrivatePem(workspace.path('dpop_private_key.pem')),
      };
      const flags = ['--listen', '127.0.0.1:0', '--no-secret', '--to', apache.origin, '--allow', '* /**'];
      const child = workspace.start(['proxy', ...flags], { environment });
      try {
        const { url } = await firstLine(child);
        for (const [method, path] of [
          ['GET', `${THINGS_PATH}?page=2`],
          ['GET', '/'],
          ['DELETE', "/a'b(c)*!,:@=+$&"],
          ['POST', '/~me'],
        ]) {
          const answer = await fetch(url + path, { method });
          assert.equal(answer.status, 200, path);
          assert.deepEqual(await answer.json(), THINGS);
        }
        assert.equal(api.taken().length, 4);
      } finally {
        await endOf(child);
      }
    });

    test('refuses a stolen token, so that it looked at the proofs', async () => {
      const client = new Client({ server: await discover(org.url, 'oidc'), clientId, clientKey: key, dpopKey: key });
      const { access_token: accessToken } = await client.token(SCOPE);
      const url = apache.origin + THINGS_PATH;
      const send = async (proof) => {
        const headers = { authorization: `DPoP ${accessToken}`, ...(proof && { dpop: proof }) };
        return (await fetch(url, { headers })).status;
      };
      const request = { method: 'GET', url, accessToken };
      assert.equal(await send(await makeProof(await KeyPair.generate(algorithm), request)), 401);
      assert.equal(await send(await makeProof(key, { ...request, url: `${url}/1` })), 401);
      assert.equal(await send(undefined), 401);
      assert.equal(api.taken().length, 0);
      assert.equal(await send(await makeProof(key, request)), 200);
      api.taken();
    });
  });
}

test('mod_auth_openidc has a user sign in by code and PKCE, and tells the API who it is', async () => {
  const userId = await org.createUser(USER);
  const origin = await freeOrigin();
  const redirectUri = `${origin}/callback`;
  const { clientId, clientSecret } = await org.createWebApp({ redirectUri });
  const apache = await startApache({
    ...{ api, origin, module: 'auth_openidc' },
    settings: `ProxyPass /callback !
OIDCProviderMetadataURL ${org.url}/.well-known/openid-configuration
OIDCClientID ${clientId}
OIDCClientSecret ${clientSecret}
OIDCRedirectURI ${redirectUri}
OIDCCryptoPassphrase not-a-secret-outside-of-this-suite
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256`,
    location: `AuthType openid-connect
OIDCUnAuthAction auth true
Require valid-user`,
  });
  try {
    const page = await new Browser().approve(origin + THINGS_PATH, { username: USER.login, password: USER.password });
    assert.deepEqual([page.url.href, page.status], [origin + THINGS_PATH, 200]);
    const [{ headers }] = api.taken();
    const claims = Object.fromEntries(headers.filter(([name]) => name.startsWith('oidc_claim_')));
    assert.deepEqual(
      [claims.oidc_claim_sub, claims.oidc_claim_email, claims.oidc_claim_aud],
      [userId, USER.login, clientId],
    );
  } finally {
    await apache.stop();
  }
});
