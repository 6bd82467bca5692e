// An authorization server that we did not write, with one client of it that we did not write, behind a front that keeps
// what the guard asks of it: who a guarded API is for.

import { Client, discover } from './client.mjs';
import { KeyPair } from './keys.mjs';
import { startProvider } from './provider.mjs';
import { Wire } from './wire.mjs';

export const AUDIENCE = 'https://api.example/things';

const CLIENT_ID = 'holder';

/**
 * Opens an authorization server that signs by `tokenAlgorithm`, or issues opaque tokens, to a client whose proofs are
 * by `proofAlgorithm`. Without `bound`, the client may have unbound tokens too.
 */
export async function openAuthorization({ tokenAlgorithm, proofAlgorithm, tokenFormat = 'jwt', bound = true }) {
  const wire = await Wire.open();
  const clientKey = await KeyPair.generate('ES256');
  const dpopKey = await KeyPair.generate(proofAlgorithm);
  const provider = await startProvider({
    ...{ issuer: wire.origin, client: { clientId: CLIENT_ID, key: clientKey, bound } },
    ...{ tokenAlgorithm, tokenFormat, audience: AUDIENCE },
  });
  wire.route('/', provider.origin);
  const server = await discover(wire.origin, 'oidc');
  const newClient = (options) => new Client({ server, clientId: CLIENT_ID, clientKey, dpopKey, ...options });
  return {
    ...{ issuer: wire.origin, tokenAlgorithm, wire, signingKey: provider.key, clientId: CLIENT_ID, dpopKey, newClient },
    close: () => Promise.all([wire.close(), provider.close()]),
  };
}
