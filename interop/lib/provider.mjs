// An authorization server that we did not write: `oidc-provider`, with DPoP, a required nonce, client credentials and
// private_key_jwt. Its endpoints lie where Okta's org has them, which is how Keybound's client finds them, unless it is
// told to find them by discovery, as Keybound's guard does.

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';
import { KeyPair } from './keys.mjs';
import { close, listen } from './wire.mjs';

export const TOKEN_PATH = '/oauth2/v1/token';
export const KEYS_PATH = '/oauth2/v1/keys';
export const INTROSPECTION_PATH = '/oauth2/v1/introspect';
export const SCOPE = 'things.read';
export const WRITE_SCOPE = 'things.write';

const PROOF_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/** A resource server's own credentials, with which it asks about tokens (RFC 7662). */
export const INTROSPECTOR = { clientId: 'guard', clientSecret: 'not-a-secret-outside-of-this-suite' };

/**
 * Starts the provider behind `issuer` (the front's origin) with one client `{ clientId, key, bound = true }`, whose
 * tokens are for `audience`, JWTs (RFC 9068) or opaque, and with clients that have a secret, `{ clientId, secret,
 * method }`. Returns `{ origin, key, close() }`, `key` being the one that it
 * signs tokens with.
 */
export async function startProvider({
  issuer,
  client,
  clientsWithSecret = [],
  tokenAlgorithm,
  tokenFormat = 'jwt',
  audience = issuer,
  tokenPath = TOKEN_PATH,
}) {
  const key = await KeyPair.generate(tokenAlgorithm);
  const provider = new Provider(issuer, {
    ...settings({ issuer, tokenAlgorithm, tokenFormat, audience, tokenPath }),
    jwks: { keys: [{ ...(await key.exportPrivateJwk()), use: 'sig' }] },
    clients: [
      registration(client, tokenAlgorithm),
      ...clientsWithSecret.map((client) => registrationWithSecret(client, tokenAlgorithm)),
      introspector(tokenAlgorithm),
    ],
  });
  const server = http.createServer(provider.callback());
  const origin = await listen(server);
  return { origin, key, close: () => close(server) };
}

function registration({ clientId, key, bound = true }, tokenAlgorithm) {
  return {
    client_id: clientId,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: key.algorithm,
    id_token_signed_response_alg: tokenAlgorithm, // never issued, but the default has to be one that there is a key for
    dpop_bound_access_tokens: bound,
    jwks: { keys: [key.registration] },
  };
}

function registrationWithSecret({ clientId, secret, method }, tokenAlgorithm) {
  return {
    client_id: clientId,
    client_secret: secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: method,
    id_token_signed_response_alg: tokenAlgorithm,
    dpop_bound_access_tokens: true,
  };
}

function introspector(tokenAlgorithm) {
  return {
    client_id: INTROSPECTOR.clientId,
    client_secret: INTROSPECTOR.clientSecret,
    grant_types: [],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: tokenAlgorithm,
  };
}

function settings({ issuer, tokenAlgorithm, tokenFormat, audience, tokenPath }) {
  return {
    routes: { token: tokenPath, jwks: KEYS_PATH, introspection: INTROSPECTION_PATH },
    scopes: [SCOPE, WRITE_SCOPE],
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    enabledJWA: { dPoPSigningAlgValues: PROOF_ALGORITHMS, clientAuthSigningAlgValues: PROOF_ALGORITHMS },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_ctx, { clientId }) => clientId === INTROSPECTOR.clientId },
      dPoP: { enabled: true, requireNonce: () => true, nonceSecret: randomBytes(32) },
      // Okta's token request names no resource, so there is a default one; its tokens are JWTs (RFC 9068).
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer,
        getResourceServerInfo: () => ({
          scope: `${SCOPE} ${WRITE_SCOPE}`,
          audience,
          accessTokenFormat: tokenFormat,
          jwt: { sign: { alg: tokenAlgorithm } },
        }),
      },
    },
  };
}
