// An authorization server that we did not write: `oidc-provider`, with DPoP, a required nonce, client credentials and
// private_key_jwt. Its endpoints lie where Okta's org has them, which is how Keybound's client finds them.

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import Provider from 'oidc-provider';
import { close, listen } from './wire.mjs';

export const TOKEN_PATH = '/oauth2/v1/token';
export const KEYS_PATH = '/oauth2/v1/keys';
export const SCOPE = 'things.read';

const PROOF_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];

/**
 * Starts the provider behind `issuer` (the front's origin) with one client `{ clientId, key }`.
 * Returns `{ origin, close() }`.
 */
export async function startProvider({ issuer, client, tokenAlgorithm }) {
  const { privateKey } = await jose.generateKeyPair(tokenAlgorithm, { extractable: true });
  const provider = new Provider(issuer, {
    ...settings(issuer, tokenAlgorithm),
    jwks: { keys: [{ ...(await jose.exportJWK(privateKey)), alg: tokenAlgorithm, use: 'sig' }] },
    clients: [registration(client, tokenAlgorithm)],
  });
  const server = http.createServer(provider.callback());
  const origin = await listen(server);
  return { origin, close: () => close(server) };
}

function registration({ clientId, key }, tokenAlgorithm) {
  return {
    client_id: clientId,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: key.algorithm,
    id_token_signed_response_alg: tokenAlgorithm, // never issued, but the default has to be one that there is a key for
    dpop_bound_access_tokens: true,
    jwks: { keys: [key.registration] },
  };
}

function settings(issuer, tokenAlgorithm) {
  return {
    routes: { token: TOKEN_PATH, jwks: KEYS_PATH },
    scopes: [SCOPE],
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { dPoPSigningAlgValues: PROOF_ALGORITHMS, clientAuthSigningAlgValues: PROOF_ALGORITHMS },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, requireNonce: () => true, nonceSecret: randomBytes(32) },
      // Okta's token request names no resource, so there is a default one; its tokens are JWTs (RFC 9068).
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer,
        getResourceServerInfo: () => ({
          scope: SCOPE,
          audience: issuer,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: tokenAlgorithm } },
        }),
      },
    },
  };
}
