// Calls an org over https from a process of its own, since NODE_EXTRA_CA_CERTS is read only when Node starts. Takes
// `{ url, listUrl, scope, clientId, clientKey }` as JSON on stdin, the key as a private JWK; prints the length of the
// list at `listUrl`.

import { json } from 'node:stream/consumers';
import * as jose from 'jose';
import { Client, discover } from './client.mjs';
import { KeyPair } from './keys.mjs';

const { url, listUrl, scope, clientId, clientKey } = await json(process.stdin);
const client = new Client({
  server: await discover(url, 'oidc'),
  clientId,
  clientKey: { privateKey: await jose.importJWK(clientKey), thumbprint: clientKey.kid },
  dpopKey: await KeyPair.generate('ES256'),
});
const { access_token: accessToken } = await client.token(scope);
const pages = await client.pages(accessToken, listUrl);
console.log(pages.flat().length);
