// The settings of other servers, exactly as the documents give them: what a reader copies is what is tested.

import { readFile } from 'node:fs/promises';

const DOCUMENTS = new URL('../../docs/', import.meta.url);

/** The text of the block that begins with ```` ```kind ```` in a document, the `index`th of its kind. */
export async function snippet(document, kind, index = 0) {
  const text = await readFile(new URL(document, DOCUMENTS), 'utf8');
  const blocks = [...text.matchAll(/^```(\S+).*\n([^]*?)^```$/gm)].filter(([, name]) => name === kind);
  if (!blocks[index]) throw new Error(`docs/${document} has no block ${index} of ${kind}`);
  return blocks[index][2];
}

/** `text` with the addresses of this run in place of the document's, each of which it must have. */
export function filled(text, addresses) {
  for (const [documented, actual] of Object.entries(addresses)) {
    if (!text.includes(documented)) throw new Error(`the documented settings do not say ${documented}`);
    text = text.replaceAll(documented, actual);
  }
  return text;
}
