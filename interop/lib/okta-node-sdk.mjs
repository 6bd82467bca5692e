// What a program on Okta's SDK for Node does, in a process of its own, since NODE_EXTRA_CA_CERTS is read only when Node
// starts. Takes `{ url, clientId, privateKey, keyId, scopes, calls }` as JSON on stdin, the key as PEM; prints as JSON
// what the SDK told it. With `calls`, it lists users so many times and nothing else.

import { json } from 'node:stream/consumers';
import okta from '@okta/okta-sdk-nodejs';

const { url, clientId, privateKey, keyId, scopes, calls } = await json(process.stdin);
const client = new okta.Client({
  orgUrl: url,
  authorizationMode: 'PrivateKey',
  clientId,
  privateKey,
  keyId,
  scopes,
});
console.log(JSON.stringify(calls ? await list(calls) : await wholeLife()));

async function list(times) {
  const sizes = [];
  for (let call = 0; call < times; call++) sizes.push(await count({ limit: 1, q: 'a' }, 1));
  return { sizes };
}

/** How many users a list has, page by page, or up to `most`. */
async function count(selection, most = Infinity) {
  let users = 0;
  await (await client.userApi.listUsers(selection)).each(() => ++users < most);
  return users;
}

async function wholeLife() {
  const listed = await count({ limit: 60 });
  const profile = { firstName: 'Ida', lastName: 'Noe', email: 'ida.noe@example.com', login: 'ida.noe@example.com' };
  const credentials = { password: { value: 'A long passw0rd' } };
  const created = await client.userApi.createUser({ body: { profile, credentials } });
  const updated = await client.userApi.updateUser({ userId: created.id, user: { profile: { nickName: 'Idi' } } });
  const read = await client.userApi.getUser({ userId: profile.login });
  await client.userApi.deactivateUser({ userId: created.id });
  await client.userApi.deleteUser({ userId: created.id });
  const gone = await client.userApi.getUser({ userId: created.id }).catch(({ status, errorCode }) => [status, errorCode]);
  return {
    listed,
    created: created.status,
    updated: updated.profile.nickName,
    read: read.id === created.id,
    gone,
  };
}
