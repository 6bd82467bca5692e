// A whole service that we did not write, at one origin as Okta's org is: oidc-provider at `/oauth2/v1` (its token endpoint
// at `tokenPath`, if that is given), and a resource guarded by jose at `/api/v1`, behind a front that keeps what went over
// the wire.

import { startProvider } from './provider.mjs';
import { startResource } from './resource.mjs';
import { Wire } from './wire.mjs';

export async function openService({ clientId, clientKey, clientsWithSecret, tokenAlgorithm, tokenPath }) {
  const wire = await Wire.open();
  const issuer = wire.origin;
  const client = { clientId, key: clientKey };
  const provider = await startProvider({ issuer, client, clientsWithSecret, tokenAlgorithm, tokenPath });
  const resource = await startResource(issuer);
  wire.route('/api/', resource.origin).route('/', provider.origin);
  return {
    origin: issuer,
    wire,
    close: () => Promise.all([wire, provider, resource].map((server) => server.close())),
  };
}
