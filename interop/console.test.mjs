// The admin console in a real browser: the steps of Okta's sample for service apps, done by clicking, first for Bearer
// tokens and then for key-bound ones; and the settings that the console prints, used as they are.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Key } from 'selenium-webdriver';
import { Chromium } from './lib/chromium.mjs';
import { Org } from './lib/org.mjs';
import { endOf, firstLine, Workspace } from './lib/program.mjs';

const USERS = ['api', '/api/v1/users?limit=5'];
const CALLER = 'my service';

describe('in the admin console over https, a developer', () => {
  let org, browser, workspace;

  before(async () => {
    org = await Org.start({ http: false });
    workspace = await Workspace.create();
    browser = await Chromium.start();
  });
  after(async () => {
    await browser?.stop();
    await org?.stop();
  });

  /** Keeps a picture of the page, which nobody must be kept from using. */
  const look = async (name) => {
    await browser.keep(name);
    assert.deepEqual(await browser.barriers(), [], name);
  };

  test('is helped by a look that finds barriers where there are some', async () => {
    await browser.open('data:text/html,<html><body style="width:2000px"><img src="x"><input>');
    const barriers = (await browser.barriers()).join('\n');
    for (const one of ['image-alt', 'label', 'document-title', 'wider than the window']) {
      assert.ok(barriers.includes(one), one);
    }
  });

  test('is asked to sign in, with the token that the org has printed', async () => {
    await browser.open(`${org.url}/admin/users`);
    assert.match(await browser.title, /Sign in/);
    await look('sign-in');
    await browser.type('Admin token', 'wrong');
    await browser.press('Sign in');
    assert.match(await browser.text('[role=alert]'), /not the admin token/);
    await look('sign-in-refused');
    await browser.type('Admin token', org.adminToken);
    await browser.press('Sign in');
    assert.equal(await browser.url, `${org.url}/admin/users`);
    await browser.press('Sign out');
    await browser.open(`${org.url}/admin/users`);
    assert.match(await browser.title, /Sign in/);
  });

  test('opens the link that the org has printed, once', async () => {
    await browser.open(org.consoleUrl);
    await look('sign-in-link');
    await browser.press('Open the console');
    assert.equal(await browser.text('h1'), 'Applications');
    await browser.press('Sign out');
    await browser.open(org.consoleUrl);
    await browser.press('Open the console');
    assert.match(await browser.text('[role=alert]'), /used before/);
    await browser.type('Admin token', org.adminToken);
    await browser.press('Sign in');
    await look('no-applications');
  });

  test('gets to the content and through a form by the keyboard alone', async () => {
    await browser.key(Key.TAB);
    assert.equal(await browser.focused(), 'Skip to content');
    await browser.key(Key.ENTER, Key.TAB);
    assert.equal(await browser.focused(), 'Create application');
  });

  test('creates an API Services app, and is told what is missing', async () => {
    await browser.follow('Create application');
    await look('create-application');
    await browser.check('Web Application');
    await browser.type('Name', CALLER);
    await browser.press('Create');
    assert.match(await browser.text('#redirect_uris-problem'), /cannot be left blank/);
    await look('create-application-refused');
    await browser.check('API Services');
    await browser.press('Create');
    assert.equal(await browser.text('h1'), CALLER);
    assert.match(await browser.text('[role=status]'), /created/);
    await look('application');
  });

  test('has a key generated, which is shown once', async () => {
    await browser.press('Generate new key');
    await look('private-key');
    const pem = await browser.content('#pem');
    assert.match(pem, /^-----BEGIN PRIVATE KEY-----\n/);
    assert.equal(JSON.parse(await browser.content('#jwk')).kty, 'RSA');
    await workspace.write('cc_private_key.pem', pem);
    await browser.follow('Done, I have saved it');
    assert.ok(!(await browser.has('#pem')));
    await look('application-with-key');
  });

  test('switches DPoP off, grants the scope and assigns the role', async () => {
    await browser.check('Require Demonstrating Proof of Possession', false);
    await browser.press('Save settings');
    assert.match(await browser.text('[role=status]'), /saved/);
    await browser.follow('Okta API Scopes');
    await look('scopes-to-grant');
    await browser.press('Grant okta.users.read');
    await look('scopes');
    await browser.follow('Admin roles');
    await browser.choose('Assign a role', 'Read-Only Administrator');
    await browser.press('Assign');
    await look('roles');
  });

  test('assigns a user to the app', async () => {
    await browser.follow('Assignments');
    await look('assignments-to-make');
    await browser.type('Assign a user, by username or id', 'gideon.ackerman@example.com');
    await browser.press('Assign user');
    assert.match(await browser.text('[role=status]'), /may sign in/);
    await look('assignments');
  });

  test('calls the API with a Bearer token, by the settings that are printed', async () => {
    await browser.follow('Settings for your program');
    assert.ok(!(await browser.has('.is-open')), 'nothing is left to do');
    await look('settings-for-bearer');
    await workspace.write('.env', await browser.content('#env'));
    const [, path] = /^keybound api '([^']+)'\n$/.exec(await browser.content('#command'));
    assert.equal((await workspace.json(['api', path])).length, 5);
  });

  test('then requires DPoP: a plain call fails, and ours succeeds', async () => {
    await browser.follow('General');
    await browser.check('Require Demonstrating Proof of Possession');
    await browser.press('Save settings');
    const plain = await workspace.run(USERS);
    assert.notEqual(plain.code, 0);
    assert.match(plain.stderr, /DPoP/);

    await browser.follow('Settings for your program');
    await look('settings-for-dpop');
    await workspace.write('.env', await browser.content('#env'));
    assert.equal((await workspace.json(USERS)).length, 5);

    await workspace.json(['keys', 'new', '--alg', 'RS256', '--out', 'dpop']);
    const environment = {
      OKTA_DPOP_PRIVATE_KEY_FILE: 'dpop_private_key.pem',
      OKTA_DPOP_PUBLIC_KEY_FILE: 'dpop_public_key.json',
    };
    assert.equal((await workspace.json(USERS, { environment })).length, 5);
  });

  test('calls the API from a program without DPoP, by way of `keybound proxy`', async () => {
    const child = workspace.start(['proxy', '--listen', '127.0.0.1:0']);
    try {
      const { url, secret } = await firstLine(child);
      const answer = await fetch(`${url}/api/v1/users?limit=5`, { headers: { authorization: `Bearer ${secret}` } });
      assert.equal((await answer.json()).length, 5);
    } finally {
      await endOf(child);
    }
  });

  test('sees each request in the live trace, drawn as a sequence, and opens one', async () => {
    await browser.follow('Live trace');
    assert.ok((await browser.text('main')).includes(CALLER));
    await look('live-trace');
    await browser.openFirst('.sequence a');
    await look('request');
  });

  test('lets something go wrong on purpose, and ends it', async () => {
    await browser.follow('Faults');
    await look('faults');
    await browser.follow('slow');
    await look('fault-in-detail');
    await browser.type('Delay in milliseconds (required)', '100');
    await browser.press('Let it happen');
    await look('fault-that-is-on');
    await browser.press('End all');
  });

  test('finds what happened in the system log', async () => {
    await browser.follow('System log');
    const log = await browser.text('table');
    for (const event of [
      'app.oauth2.token.grant.access_token',
      'application.lifecycle.create',
      'Administrator',
      CALLER,
    ]) {
      assert.ok(log.includes(event), event);
    }
    await browser.type('Filter', 'outcome.result eq "FAILURE" and eventType sw "app."');
    await browser.press('Find');
    assert.ok(!(await browser.text('table')).includes('SUCCESS'));
    await look('system-log');
    await browser.type('Filter', 'outcome.result');
    await browser.press('Find');
    assert.ok(await browser.has('.problems'));
  });

  test('deactivates and deletes a key, and then the app', async () => {
    await browser.follow('Applications');
    await look('applications');
    await browser.follow(CALLER);
    const kid = await browser.text('tbody th code');
    await browser.press(`Deactivate key ${kid}`);
    assert.notEqual((await workspace.run([...USERS, '--no-cache'])).code, 0);
    await browser.press(`Delete key ${kid}`);
    await browser.press('Deactivate');
    await browser.unfold('Delete');
    await look('delete-application');
    await browser.press('Delete this application');
    assert.match(await browser.text('[role=status]'), /deleted/);
  });

  test('creates a user and a group, and puts one into the other', async () => {
    await browser.follow('Users');
    await look('users');
    await browser.follow('Create user');
    for (const [label, text] of [
      ['First name', 'Ada'],
      ['Last name', 'Lovelace'],
      ['Email', 'ada@example.com'],
      ['Username', 'ada@example.com'],
    ]) {
      await browser.type(label, text);
    }
    await look('create-user');
    await browser.press('Create');
    assert.equal(await browser.text('h1'), 'Ada Lovelace');
    await browser.choose('Assign a role', 'Help Desk Administrator');
    await browser.press('Assign');
    await look('user');
    await browser.follow('Groups');
    await look('groups');
    await browser.follow('Create group');
    await browser.type('Name', 'Engines');
    await browser.press('Create');
    await browser.type('Add a user, by username or id', 'nobody@example.com');
    await browser.press('Add');
    assert.match(await browser.text('#user-problem'), /no user/);
    await browser.type('Add a user, by username or id', 'ada@example.com');
    await browser.press('Add');
    await look('group');
    await browser.follow('Ada Lovelace');
    await browser.press('Deactivate');
    assert.ok(await browser.has('details.sure'));
  });

  test('makes an authorization server with a scope, a claim, a policy and a rule, and rotates its keys', async () => {
    await browser.follow('Authorization servers');
    await look('authorization-servers');
    await browser.follow('Add authorization server');
    await browser.type('Name', 'Orders');
    await browser.type('Audience', ' ');
    await browser.press('Save');
    assert.match(await browser.text('#audiences-problem'), /cannot be left blank/);
    await look('add-authorization-server-refused');
    await browser.type('Audience', 'https://orders.example');
    await browser.press('Save');
    assert.equal(await browser.text('h1'), 'Orders');
    await look('authorization-server');

    await browser.follow('Scopes');
    await look('no-scopes-of-its-own');
    await browser.type('Name', 'orders.read');
    await browser.check('Include in public metadata');
    await browser.press('Add scope');
    assert.ok((await browser.text('table')).includes('orders.read'));
    await look('scopes-of-a-server');

    await browser.follow('Claims');
    await look('no-claims');
    await browser.type('Name', 'department');
    await browser.choose('Include in token type', 'Access token');
    await browser.type('Value', 'user.department');
    await browser.press('Add claim');
    await look('claims');

    await browser.follow('Access policies');
    await look('no-access-policies');
    await browser.type('Name', 'Everybody');
    await browser.press('Add policy');
    assert.match(await browser.text('[role=status]'), /before it has a rule/);
    await browser.type('Name', 'Reads');
    await browser.check('Authorization Code', false);
    await browser.type('Access token lifetime, in minutes', 'soon');
    await browser.press('Add rule');
    await look('access-policy-rule-refused');
    await browser.type('Access token lifetime, in minutes', '10');
    await browser.press('Add rule');
    assert.ok((await browser.text('table')).includes('10 minutes'));
    await look('access-policy');
    await browser.follow('Access policies');
    await look('access-policies');

    await browser.follow('Keys');
    const key = await browser.text('tbody th code');
    await browser.press('Rotate signing keys');
    assert.equal(await browser.text('tbody th code'), key, 'it verifies what it has signed');
    await look('signing-keys');
    await browser.press('Deactivate');
    await browser.unfold('Delete');
    await look('delete-authorization-server');
    await browser.press('Delete this authorization server');
    assert.match(await browser.text('[role=status]'), /deleted/);
  });
});
