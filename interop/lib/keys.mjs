// Key pairs, made by `jose`, and the files that Keybound reads them from.

import { writeFile } from 'node:fs/promises';
import * as jose from 'jose';

/** What Okta offers for proofs and assertions, as far as `jose` makes keys for it cheaply. */
export const OKTA_ALGORITHMS = ['RS256', 'ES256', 'ES384', 'ES512'];

/** Every algorithm that both sides know. RFC 8037 calls Ed25519 "EdDSA". */
export const ALGORITHMS = [...OKTA_ALGORITHMS, 'PS256', 'EdDSA'];

export class KeyPair {
  static async generate(algorithm) {
    const { privateKey, publicKey } = await jose.generateKeyPair(algorithm, { extractable: true });
    const jwk = await jose.exportJWK(publicKey);
    const thumbprint = await jose.calculateJwkThumbprint(jwk);
    return new KeyPair({ algorithm, privateKey, publicKey, jwk, thumbprint });
  }

  constructor(parts) {
    Object.assign(this, parts);
    Object.freeze(this);
  }

  /** The JWK as one registers it: with the key id (RFC 7638 thumbprint), `alg` and `use`. */
  get registration() {
    return { ...this.jwk, kid: this.thumbprint, alg: this.algorithm, use: 'sig' };
  }

  async exportPrivateJwk() {
    return { ...(await jose.exportJWK(this.privateKey)), kid: this.thumbprint, alg: this.algorithm };
  }

  /** Writes the private key as PKCS#8 PEM, readable by its owner only. */
  async writePrivatePem(path) {
    await writeFile(path, await jose.exportPKCS8(this.privateKey), { mode: 0o600 });
    return path;
  }

  async writePublicJwk(path) {
    await writeFile(path, JSON.stringify(this.registration));
    return path;
  }
}
