// What is no plain answer goes through the guard too: WebSockets, and gRPC with its streams and trailers; and without a
// good proof it does not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import WebSocket from 'ws';
import { THINGS_PATH } from './lib/api.mjs';
import { written } from './lib/attacks.mjs';
import { openAuthorization } from './lib/authorization.mjs';
import { FACE_NAMES, openFace, openFaces } from './lib/faces.mjs';
import { GuardProcess, policyFor } from './lib/guard.mjs';
import { freePort } from './lib/program.mjs';
import { SCOPE } from './lib/provider.mjs';

const PATIENCE = 20_000;

let authorization, accessToken;
before(async () => {
  authorization = await openAuthorization({ tokenAlgorithm: 'ES256', proofAlgorithm: 'ES256' });
  ({ access_token: accessToken } = await authorization.newClient().token(SCOPE));
});
after(() => authorization?.close());

const holder = (origin) => ({ origin, accessToken, dpopKey: authorization.dpopKey });
const within = () => ({ signal: AbortSignal.timeout(PATIENCE) });

for (const name of FACE_NAMES) {
  describe(`a WebSocket through ${name}`, () => {
    let face;
    before(async () => (face = await openFace(name, { authorization })));
    after(() => face?.close());

    const opening = async (headers) => {
      const url = face.origin.replace(/^http/, 'ws') + THINGS_PATH;
      return new WebSocket(url, { headers: Object.fromEntries(headers) });
    };

    test('is opened by a good proof, carries messages both ways, and is not opened by that proof again', async () => {
      const { headers } = await written(holder(face.origin));
      const socket = await opening(headers);
      await once(socket, 'open', within());
      for (const message of ['one', 'two', 'x'.repeat(100_000)]) {
        socket.send(message);
        const [echo] = await once(socket, 'message', within());
        assert.equal(echo.toString(), message);
      }
      socket.close();
      await once(socket, 'close', within());

      assert.equal(await refusalOf(await opening(headers)), 401);
      assert.equal(face.api.taken().length, 1);
    });

    test('is not opened without a proof', async () => {
      assert.equal(await refusalOf(await opening([])), 401);
      assert.deepEqual(face.api.taken(), []);
    });
  });
}

// Within HTTP/2, requests would go past the guard on the connection that one good proof opened.
const WAYS_TO_HTTP2 = [
  { name: 'h2c', upgrades: ['h2c'] },
  { name: 'h2c in capitals', upgrades: ['H2C'] },
  { name: 'h2c after WebSocket', upgrades: ['websocket, h2c'] },
  { name: 'h2c before WebSocket', upgrades: ['h2c, websocket'] },
  { name: 'h2c beside WebSocket', upgrades: ['websocket', 'h2c'] },
  { name: 'WebSocket beside h2c', upgrades: ['h2c', 'websocket'] },
  { name: 'a later HTTP', upgrades: ['HTTP/2.0'] },
];

describe('an upgrade to HTTP/2, which the API would agree to,', () => {
  let faces = {};
  before(async () => (faces = await openFaces({ authorization })));
  after(() => Promise.all(Object.values(faces).map((face) => face.close())));

  test('is agreed to where no guard is before the API', async () => {
    const { api } = faces[FACE_NAMES[0]];
    for (const { upgrades } of WAYS_TO_HTTP2) {
      assert.equal(await statusOfUpgrade(api.origin, upgrades, []), 101);
    }
    api.taken();
  });

  for (const name of FACE_NAMES) {
    for (const { name: way, upgrades } of WAYS_TO_HTTP2) {
      test(`does not get through ${name} as ${way}`, async () => {
        const { origin, api } = faces[name];
        const { headers } = await written(holder(origin));
        // It is admitted, as what it is without the wish; or the proxy refuses such a wish.
        const answered = await statusOfUpgrade(origin, upgrades, headers);
        assert.ok(![101, 401].includes(answered), `it is answered with ${answered}`);
        for (const { headers } of api.taken()) {
          const asked = headers.filter(([field]) => ['upgrade', 'http2-settings'].includes(field));
          // Of several wishes the one that may be granted may be left.
          assert.ok(asked.every(([, value]) => value === 'websocket'), JSON.stringify(asked));
        }
      });
    }
  }
});

/** The status of the answer to a GET that asks for these protocols. */
async function statusOfUpgrade(origin, upgrades, headers) {
  const { hostname, port, host } = new URL(origin);
  const fields = [
    ...[['Host', host], ['Connection', 'Upgrade, HTTP2-Settings'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__']],
    ...upgrades.map((protocol) => ['Upgrade', protocol]),
    ...headers,
  ];
  const socket = net.connect(port, hostname);
  socket.on('error', () => {}); // of being ended here
  try {
    socket.write(`GET ${THINGS_PATH} HTTP/1.1\r\n${fields.map((field) => `${field.join(': ')}\r\n`).join('')}\r\n`);
    const [first] = await once(socket, 'data', within());
    return Number(first.toString().split(' ')[1]);
  } finally {
    socket.destroy();
  }
}

/** The status that a WebSocket is refused with. */
async function refusalOf(socket) {
  socket.on('error', () => {}); // of being ended here
  const [, response] = await once(socket, 'unexpected-response', within());
  socket.terminate();
  return response.statusCode;
}

/** A service of gRPC without a schema: bytes in, bytes out. */
const bytes = { requestSerialize: (text) => Buffer.from(text), requestDeserialize: String };
const method = (name, more) => ({
  ...{ path: `/things.Things/${name}`, originalName: name, requestStream: false, responseStream: false },
  ...bytes,
  ...{ responseSerialize: (text) => Buffer.from(text), responseDeserialize: String },
  ...more,
});
const THINGS_SERVICE = {
  get: method('Get'),
  list: method('List', { responseStream: true }),
  talk: method('Talk', { requestStream: true, responseStream: true }),
};

describe('gRPC through the reverse proxy', () => {
  let guard, server, origin, client;

  before(async () => {
    server = new grpc.Server();
    server.addService(THINGS_SERVICE, {
      get: ({ request }, answer) =>
        request === 'absent' ? answer({ code: grpc.status.NOT_FOUND, details: 'no such thing' }) : answer(null, request),
      list: (call) => {
        for (const thing of call.request.split(' ')) call.write(thing);
        call.end();
      },
      talk: (call) => call.on('data', (text) => call.write(`you said ${text}`)).on('end', () => call.end()),
    });
    const credentials = grpc.ServerCredentials.createInsecure();
    const upstreamPort = await new Promise((bound, failed) =>
      server.bindAsync('127.0.0.1:0', credentials, (cause, port) => (cause ? failed(cause) : bound(port))),
    );
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    guard = await GuardProcess.start({
      face: ['--upstream', `h2c://127.0.0.1:${upstreamPort}`],
      policy: policyFor(authorization, { resources: [origin] }),
      listen: `127.0.0.1:${port}`,
    });
    const Client = grpc.makeGenericClientConstructor(THINGS_SERVICE, 'Things');
    client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    await guard?.stop();
    server?.forceShutdown();
  });

  /** Metadata with credentials for one call. */
  const proven = async (name) => {
    const { headers } = await written(holder(origin), { method: 'POST', path: THINGS_SERVICE[name].path });
    const metadata = new grpc.Metadata();
    for (const [field, value] of headers) metadata.set(field, value);
    return metadata;
  };
  const get = (request, metadata) =>
    new Promise((resolve, reject) =>
      client.get(request, metadata, { deadline: Date.now() + PATIENCE }, (cause, answer) =>
        cause ? reject(cause) : resolve(answer),
      ),
    );

  test('a call is answered, and an error of the service comes in its trailers', async () => {
    assert.equal(await get('anvil', await proven('get')), 'anvil');
    await assert.rejects(get('absent', await proven('get')), {
      code: grpc.status.NOT_FOUND,
      details: 'no such thing',
    });
  });

  test('a stream comes in order', async () => {
    const stream = client.list('anvil bellows chisel', await proven('list'));
    assert.deepEqual(await stream.toArray(), ['anvil', 'bellows', 'chisel']);
  });

  test('a conversation goes both ways before either side ends', async () => {
    const call = client.talk(await proven('talk'));
    for (const word of ['one', 'two']) {
      call.write(word);
      const [answer] = await once(call, 'data', within());
      assert.equal(answer, `you said ${word}`);
    }
    call.end();
    await once(call, 'end', within());
  });

  test('a call without a proof, or with one that was seen before, is UNAUTHENTICATED', async () => {
    await assert.rejects(get('anvil', new grpc.Metadata()), { code: grpc.status.UNAUTHENTICATED });
    const metadata = await proven('get');
    assert.equal(await get('anvil', metadata.clone()), 'anvil');
    await assert.rejects(get('anvil', metadata), { code: grpc.status.UNAUTHENTICATED });
  });
});
