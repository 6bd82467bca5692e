// The program under test: runs `keybound` with nothing of this machine's settings, in a folder of its own.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const BINARY = process.env.KEYBOUND;
if (!BINARY) throw new Error('KEYBOUND must name the keybound binary; interop/run sets it');

/** No command that ends by itself takes longer, even in a debug build on a busy machine. */
const DEADLINE = 20_000;

/** What the suite leaves running or lying about when it ends, also where it is ended from outside. */
const children = new Set();
const folders = new Set();
process.once('exit', () => {
  children.forEach((child) => child.kill('SIGKILL'));
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A folder that is the program's home and working folder. */
export class Workspace {
  static async create() {
    const folder = await mkdtemp(join(tmpdir(), 'keybound-interop-'));
    folders.add(folder);
    return new Workspace(folder);
  }

  constructor(folder) {
    this.folder = folder;
  }

  path(name) {
    return join(this.folder, name);
  }

  /** Starts the program, which the caller ends. */
  start(args, { environment = {} } = {}) {
    const { PATH } = process.env;
    const child = spawn(BINARY, args, { cwd: this.folder, env: { PATH, HOME: this.folder, ...environment } });
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  }

  /** Runs the program to its end; never throws for its exit code. */
  async run(args, { input = '', environment } = {}) {
    const child = this.start(args, { environment });
    const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE);
    child.stdin.on('error', () => {}); // it may end without reading all
    child.stdin.end(input);
    const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    try {
      const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
      return { code, stdout, stderr };
    } finally {
      clearTimeout(deadline);
    }
  }

  /** As `run`, for what must succeed: returns the JSON that it printed. */
  async json(args, options) {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`keybound ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }
}
