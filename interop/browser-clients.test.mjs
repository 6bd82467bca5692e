// Clients that run in a browser, unmodified and in a real one, from a page of another origin: they find the local org,
// sign a user in with PKCE and DPoP, read the nonce of its challenge, call with proofs, refresh, revoke and sign out.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from './lib/chromium.mjs';
import { Org, SCOPE, USERS_PATH } from './lib/org.mjs';
import { Pages } from './lib/pages.mjs';

const PASSWORD = 'Keybound-2026';
const OPENID = ['openid', 'profile', 'email', 'offline_access'];

/** An authorization request that shows the user nothing, and whose response is told by a message. */
const silentRequest = (authorize, clientId, redirectUri) =>
  `${authorize}?${new URLSearchParams({
    ...{ response_type: 'code', response_mode: 'okta_post_message', prompt: 'none', scope: 'openid' },
    ...{ client_id: clientId, redirect_uri: redirectUri, state: 's', nonce: 'n' },
    ...{ code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' },
  })}`;

describe('a page of another origin', () => {
  let org, pages, browser, user;

  before(async () => {
    org = await Org.start({ http: false });
    pages = await Pages.serve();
    browser = await Chromium.start();
    await browser.open(org.consoleUrl);
    await browser.press('Open the console');
    user = await seededUser();
  });
  after(async () => {
    await browser?.stop();
    await pages?.close();
    await org?.stop();
  });

  /** The first active one of those that every org begins with. */
  const seededUser = async () => {
    await browser.open(`${org.url}/admin/users?search=status+eq+%22ACTIVE%22`);
    const [, login] = /([a-z.+0-9]+@example\.(?:com|org|net))/.exec(await browser.text('tbody tr'));
    return login;
  };

  /** Signs the user in and out from the page of a client, with an app of its own; gives what the page tells between. */
  const signIn = async (client, { issuer = org.url, scopes = [...OPENID, SCOPE] } = {}) => {
    const redirectUris = [`${pages.origin}/${client}`];
    const clientId = await org.createBrowserApp({ redirectUris, scopes: scopes.filter((one) => one === SCOPE) });
    pages.settings = { issuer, clientId, scopes, api: `${org.url}${USERS_PATH}` };
    await browser.open(redirectUris[0]);
    await browser.click('#sign-in', 'input[name=username]');
    await browser.type('Username', user);
    await browser.type('Password', PASSWORD);
    await browser.click('button[type=submit]', '#result.is-done');
    const told = JSON.parse(await browser.content('#result'));
    // Back on the page, and signed out at the org too: the next one finds the sign-in form.
    await browser.click('#sign-out', '#result:not(.is-done)');
    assert.equal((await browser.url).split('?')[0], redirectUris[0]);
    return told;
  };

  for (const client of ['okta-auth-js', 'oidc-client-ts']) {
    test(`signs a user in with ${client}, and is not let read the management API`, async () => {
      const { signIn: signedIn, userInfo, api, refresh } = await signIn(client);
      assert.equal(signedIn.tokenType, 'DPoP', JSON.stringify(signedIn));
      assert.match(signedIn.subject, /^00u/);
      assert.equal(userInfo, user);
      assert.match(api, /Failed to fetch/);
      assert.match(refresh, /Failed to fetch/, 'the call with the new token');
      assert.match(org.log, /not shared with a page of another origin: .*--trusted-origin/);
    });
  }

  test('is trusted in the console', async () => {
    await browser.open(org.url + '/admin/trusted-origins');
    await browser.keep('no-trusted-origins');
    await browser.follow('Add origin');
    await browser.type('Name', 'A site');
    await browser.type('Origin URL', `${pages.origin}/`);
    await browser.press('Save');
    assert.match(await browser.text('[role=alert]'), new RegExp(`write ${pages.origin}`));
    await browser.type('Origin URL', pages.origin);
    await browser.keep('add-origin-refused');
    assert.deepEqual(await browser.barriers(), []);
    await browser.press('Save');
    assert.match(await browser.text('[role=status]'), /added/);
    await browser.keep('trusted-origin');
    assert.deepEqual(await browser.barriers(), []);
    await browser.follow('Trusted Origins');
    assert.match(await browser.text('tbody'), new RegExp(`A site ${pages.origin} CORS ACTIVE`));
    await browser.keep('trusted-origins');
    assert.deepEqual(await browser.barriers(), []);
  });

  for (const client of ['okta-auth-js', 'oidc-client-ts']) {
    test(`then calls the management API with ${client}, refreshes and revokes`, async () => {
      const { signIn: signedIn, userInfo, api, refresh, revoke } = await signIn(client);
      assert.equal(signedIn.tokenType, 'DPoP', JSON.stringify(signedIn));
      assert.equal(userInfo, user);
      assert.equal(api, 200);
      assert.deepEqual(refresh, { isNew: true, api: 200 });
      assert.deepEqual(revoke, { api: 401 });
    });

    test(`signs in at a custom authorization server with ${client}`, async () => {
      const answers = await signIn(client, { issuer: `${org.url}/oauth2/default`, scopes: OPENID });
      assert.equal(answers.signIn.tokenType, 'DPoP', JSON.stringify(answers));
      assert.equal(answers.userInfo, user);
      assert.equal(answers.api, 401, 'the token is for another API');
      assert.equal(answers.refresh.isNew, true);
    });
  }

  for (const path of ['', '/oauth2/default']) {
    test(`renews tokens of okta-auth-js in a hidden frame, at ${path || 'the org'}, and tells no stranger`, async () => {
      const page = `${pages.origin}/okta-auth-js-session`;
      const clientId = await org.createBrowserApp({ redirectUris: [page] });
      const issuer = org.url + path;
      pages.settings = {
        ...{ issuer, clientId, scopes: ['openid', 'profile'], session: `${org.url}/api/v1/sessions/me` },
        ...{ username: user, password: PASSWORD },
        silent: silentRequest(`${org.url}${path || '/oauth2'}/v1/authorize`, clientId, page),
      };
      await browser.open(page);
      await browser.click('#sign-in', 'input[name=username]');
      await browser.type('Username', user);
      await browser.type('Password', PASSWORD);
      const told = await resultOf('button[type=submit]');
      assert.equal(told.signIn, true, `no refresh token: ${JSON.stringify(told)}`);
      const { subject } = told.silent;
      assert.match(subject, /^00u/, JSON.stringify(told));
      assert.deepEqual(told.silent, { tokenType: 'DPoP', subject, isNew: true });
      assert.deepEqual(told.renew, { tokenType: 'DPoP', isNew: true });
      assert.deepEqual(told.session, { status: 'ACTIVE', login: user });
      assert.equal(told.refresh, 'ACTIVE');
      assert.deepEqual(told.messages, ['string'], 'a frame tells the page that the app registered');

      await browser.open(`${pages.elsewhere}/stranger`);
      const stranger = await resultOf();
      assert.deepEqual(stranger.messages, []);
      assert.match(stranger.session, /Failed to fetch/);
      assert.match(stranger.close, /Failed to fetch/);

      await browser.open(page);
      assert.deepEqual(await resultOf('#popup'), { popup: { tokenType: 'DPoP', subject, isNew: true } });
      await browser.open(page);
      assert.deepEqual(await resultOf('#close'), {
        ...{ exists: true, close: false, silent: 'login_required', wrongPassword: 'E0000004' },
        password: { status: 'SUCCESS', tokenType: 'DPoP', subject, isNew: true, exists: true },
      });
      await browser.open(`${org.url}/login/signout`);
    });
  }

  /** What the page tells, once something was clicked if that is needed. */
  const resultOf = async (selector) => {
    await (selector ? browser.click(selector, '#result.is-done') : browser.find('#result.is-done'));
    return JSON.parse(await browser.content('#result'));
  };
});
