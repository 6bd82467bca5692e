// Calls an org over https from a process of its own, since NODE_EXTRA_CA_CERTS is read only when Node starts. Takes
// `{ url, clientId, clientKey }` with a private JWK as JSON on stdin; prints the number of users it could list.

import { json } from 'node:stream/consumers';
import * as jose from 'jose';
import { Client, discover } from './client.mjs';
import { KeyPair } from './keys.mjs';
import { SCOPE, USERS_PATH } from './org.mjs';

const { url, clientId, clientKey } = await json(process.stdin);
const client = new Client({
  server: await discover(url, 'oidc'),
  clientId,
  clientKey: { privateKey: await jose.importJWK(clientKey), thumbprint: clientKey.kid },
  dpopKey: await KeyPair.generate('ES256'),
});
const { access_token: accessToken } = await client.token(SCOPE);
const pages = await client.pages(accessToken, url + USERS_PATH);
console.log(pages.flat().length);
