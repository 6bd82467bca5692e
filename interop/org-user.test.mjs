// Users of Keybound's local org, by clients that we did not write: oauth4webapi and openid-client send a user to the
// sign-in page, exchange the code, refresh and revoke; the user's part is lib/browser.mjs.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Browser } from './lib/browser.mjs';
import { discover } from './lib/client.mjs';
import { KeyPair } from './lib/keys.mjs';
import { Org, SCOPE, USERS_PATH } from './lib/org.mjs';
import { close, listen } from './lib/wire.mjs';

const USER = { login: 'ada@example.com', password: 'Correct-Horse-9' };
const ANSWERS = { username: USER.login, password: USER.password };
const SCOPES = `openid profile email offline_access ${SCOPE}`;
const ON_LOOPBACK = { [oauth.allowInsecureRequests]: true };

let org, server, userId, clientId, callback, redirectUri;
before(async () => {
  // A refresh token that is used twice is a stolen one at once, and not only after a while.
  org = await Org.start({ flags: ['--refresh-token-grace', '0'] });
  server = await discover(org.url, 'oidc');
  userId = await org.createUser(USER);
  clientId = await org.createNativeApp();
  callback = http.createServer((_request, response) => response.end('Done.'));
  redirectUri = `${await listen(callback)}/callback`;
});
after(async () => {
  await org?.stop();
  if (callback) await close(callback);
});

/** The URL at which the user's browser ends. */
const approved = async (url) => (await new Browser().approve(url.href ?? url, ANSWERS)).url;

for (const algorithm of ['ES256', 'RS256']) {
  describe(`oauth4webapi with ${algorithm} proofs`, () => {
    let client, dpop;
    before(async () => {
      client = { client_id: clientId };
      dpop = oauth.DPoP(client, await KeyPair.generate(algorithm));
    });

    /** Again with the nonce, if the server asks for one (RFC 9449 section 8). */
    const answering = async (request) => {
      try {
        return await request();
      } catch (error) {
        if (!oauth.isDPoPNonceError(error)) throw error;
        return request();
      }
    };

    const signIn = async ({ pushed = false } = {}) => {
      const verifier = oauth.generateRandomCodeVerifier();
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
      const parameters = new URLSearchParams({
        ...{ client_id: clientId, redirect_uri: redirectUri, response_type: 'code', scope: SCOPES, state, nonce },
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      const url = new URL(server.authorization_endpoint);
      url.search = parameters;
      if (pushed) {
        const options = { DPoP: dpop, ...ON_LOOPBACK };
        const { request_uri } = await answering(async () =>
          oauth.processPushedAuthorizationResponse(
            server,
            client,
            await oauth.pushedAuthorizationRequest(server, client, oauth.None(), parameters, options),
          ),
        );
        url.search = new URLSearchParams({ client_id: clientId, request_uri });
      } else {
        url.searchParams.set('dpop_jkt', await dpop.calculateThumbprint());
      }
      const response = oauth.validateAuthResponse(server, client, await approved(url), state);
      return answering(async () =>
        oauth.processAuthorizationCodeResponse(
          server,
          client,
          await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), response, redirectUri, verifier, {
            ...{ DPoP: dpop, ...ON_LOOPBACK },
          }),
          { expectedNonce: nonce, requireIdToken: true },
        ),
      );
    };

    const refresh = (token) =>
      answering(async () =>
        oauth.processRefreshTokenResponse(
          server,
          client,
          await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, { DPoP: dpop, ...ON_LOOPBACK }),
        ),
      );

    const call = (token, url) =>
      oauth.protectedResourceRequest(token, 'GET', new URL(url), undefined, undefined, { DPoP: dpop, ...ON_LOOPBACK });

    for (const pushed of [false, true]) {
      test(`signs a user in${pushed ? ', with the request pushed' : ''} (A1, A7, A8)`, async () => {
        const granted = await signIn({ pushed });
        assert.equal(granted.token_type, 'dpop');
        const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri));
        const { payload } = await jose.jwtVerify(granted.access_token, keys, { issuer: org.url, audience: org.url });
        assert.equal(payload.cnf.jkt, await dpop.calculateThumbprint());
        assert.deepEqual([payload.sub, payload.uid, payload.cid], [USER.login, userId, clientId]);
        const id = await jose.jwtVerify(granted.id_token, keys, { issuer: org.url, audience: clientId });
        assert.deepEqual([id.payload.sub, id.payload.email], [userId, USER.login]);

        const users = await call(granted.access_token, `${org.url}${USERS_PATH}?limit=1`);
        assert.equal((await users.json()).length, 1);
        const options = { DPoP: dpop, ...ON_LOOPBACK };
        const told = await oauth.userInfoRequest(server, client, granted.access_token, options);
        const claims = await oauth.processUserInfoResponse(server, client, userId, told);
        assert.equal(claims.preferred_username, USER.login);
      });
    }

    test('refreshes with rotation, and a refresh token that is used again ends all of them', async () => {
      const first = await signIn();
      const second = await refresh(first.refresh_token);
      assert.notEqual(second.refresh_token, first.refresh_token);
      assert.equal((await call(second.access_token, `${org.url}${USERS_PATH}?limit=1`)).status, 200);
      for (const token of [first.refresh_token, second.refresh_token]) {
        await assert.rejects(refresh(token), { error: 'invalid_grant' });
      }
      const refused = call(second.access_token, `${org.url}${USERS_PATH}?limit=1`);
      await assert.rejects(refused, oauth.WWWAuthenticateChallengeError);
    });

    test('approves on another device', async () => {
      const parameters = new URLSearchParams({ scope: SCOPES });
      const begun = await oauth.processDeviceAuthorizationResponse(
        server,
        client,
        await oauth.deviceAuthorizationRequest(server, client, oauth.None(), parameters, ON_LOOPBACK),
      );
      const poll = () =>
        answering(async () =>
          oauth.processDeviceCodeResponse(
            server,
            client,
            await oauth.deviceCodeGrantRequest(server, client, oauth.None(), begun.device_code, {
              ...{ DPoP: dpop, ...ON_LOOPBACK },
            }),
          ),
        );
      await assert.rejects(poll(), { error: 'authorization_pending' });
      await assert.rejects(poll(), { error: 'slow_down' });
      await new Browser().approve(begun.verification_uri_complete, ANSWERS);
      assert.equal((await poll()).token_type, 'dpop');
      await assert.rejects(poll(), { error: 'invalid_grant' });
    });
  });
}

describe('openid-client', () => {
  let config, options;
  before(async () => {
    const execute = [openid.allowInsecureRequests];
    config = await openid.discovery(new URL(org.url), clientId, undefined, openid.None(), { execute });
    options = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair()) };
  });

  for (const pushed of [false, true]) {
    test(`signs a user in, refreshes and revokes${pushed ? ', with the request pushed' : ''}`, async () => {
      const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()];
      const parameters = {
        ...{ redirect_uri: redirectUri, scope: SCOPES, state, nonce, code_challenge_method: 'S256' },
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      };
      const url = pushed
        ? await openid.buildAuthorizationUrlWithPAR(config, parameters, options)
        : openid.buildAuthorizationUrl(config, parameters);
      const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
      const granted = await openid.authorizationCodeGrant(config, await approved(url), checks, undefined, options);
      assert.equal(granted.token_type, 'dpop');
      assert.equal(granted.claims().sub, userId);
      const told = await openid.fetchUserInfo(config, granted.access_token, userId, options);
      assert.equal(told.email, USER.login);

      const next = await openid.refreshTokenGrant(config, granted.refresh_token, undefined, options);
      assert.notEqual(next.refresh_token, granted.refresh_token);
      assert.equal((await openid.tokenIntrospection(config, next.access_token)).uid, userId);
      await openid.tokenRevocation(config, next.refresh_token);
      assert.equal((await openid.tokenIntrospection(config, next.access_token)).active, false);
      const again = openid.refreshTokenGrant(config, next.refresh_token, undefined, options);
      await assert.rejects(again, { error: 'invalid_grant' });
    });
  }

  test('approves on another device', async () => {
    const begun = await openid.initiateDeviceAuthorization(config, { scope: SCOPES });
    const approval = new Browser().approve(begun.verification_uri_complete, ANSWERS);
    const [granted] = await Promise.all([
      openid.pollDeviceAuthorizationGrant(config, begun, undefined, options),
      approval,
    ]);
    assert.equal(granted.claims().sub, userId);
  });
});
