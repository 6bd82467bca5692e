// An authorization server that we did not write, for users: `oidc-provider` with its own login and consent forms, the
// code flow with PKCE and pushed requests, the device flow, refresh tokens that rotate, DPoP with a required nonce.

import http from 'node:http';
import { randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';
import { KeyPair } from './keys.mjs';
import { Wire, close, listen } from './wire.mjs';

export const CLIENT_ID = 'native';
export const SERVICE = { clientId: 'service', clientSecret: 'p:w +%25' };
export const SCOPE = 'things.read';

/**
 * Opens the server behind a recording front. `pushed`: whether it takes pushed requests, and then no others;
 * `proofAlgorithms`: those that it lists.
 */
export async function openUserProvider({ pushed = false, proofAlgorithms = ['ES256', 'RS256', 'EdDSA'] } = {}) {
  const wire = await Wire.open();
  const key = await KeyPair.generate('ES256');
  const provider = new Provider(wire.origin, {
    ...settings({ issuer: wire.origin, pushed, proofAlgorithms }),
    jwks: { keys: [{ ...(await key.exportPrivateJwk()), use: 'sig' }] },
  });
  const server = http.createServer(provider.callback());
  wire.route('/', await listen(server));
  return { origin: wire.origin, key, wire, close: () => Promise.all([wire.close(), close(server)]) };
}

function settings({ issuer, pushed, proofAlgorithms }) {
  const common = { id_token_signed_response_alg: 'ES256', dpop_bound_access_tokens: true };
  return {
    clients: [
      {
        ...common,
        client_id: CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/callback'], // with any port (RFC 8252 section 7.3)
      },
      {
        ...common,
        client_id: SERVICE.clientId,
        client_secret: SERVICE.clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: ['openid', 'offline_access', SCOPE],
    clientAuthMethods: ['none', 'client_secret_basic'],
    enabledJWA: { dPoPSigningAlgValues: proofAlgorithms },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: true,
    ttl: { AccessToken: 600, ClientCredentials: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      pushedAuthorizationRequests: { enabled: pushed, requirePushedAuthorizationRequests: pushed },
      dPoP: { enabled: true, requireNonce: () => true, nonceSecret: randomBytes(32) },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: SCOPE,
          audience: issuer,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}
