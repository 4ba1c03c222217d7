/** The reference: containers created and started through the engine's own API, with nothing of ours in between but a keep-alive socket. */
import { Agent, request } from 'node:http';

export interface BareEngine {
  /** Creates and starts one container; resolves when the engine has answered the start. */
  run(name: string): Promise<string>;
  kill(id: string): Promise<void>;
  removeAll(): Promise<void>;
  close(): void;
}

const label = 'berth-bench';

export function bareEngine(socketPath: string, image: string, command: readonly string[]): BareEngine {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });

  function call(method: string, path: string, body?: unknown): Promise<string> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? '' : JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
      const outgoing = request({ agent, socketPath, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if ((response.statusCode ?? 500) < 400) resolve(text);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
        });
      });
      outgoing.on('error', reject).end(payload);
    });
  }

  return {
    async run(name) {
      const body = {
        Image: image,
        Cmd: command,
        Labels: { [label]: '1' },
        HostConfig: { Memory: 16 * 1024 * 1024, CpuShares: 16, PortBindings: { '8080/tcp': [{ HostPort: '' }] } },
        ExposedPorts: { '8080/tcp': {} },
      };
      const created: unknown = JSON.parse(await call('POST', `/containers/create?name=${name}`, body));
      const id = typeof created === 'object' && created !== null && 'Id' in created ? String(created.Id) : '';
      await call('POST', `/containers/${id}/start`);
      return id;
    },
    kill: async (id) => void (await call('POST', `/containers/${id}/kill`)),
    async removeAll() {
      const filter = encodeURIComponent(JSON.stringify({ label: [label] }));
      const list: unknown = JSON.parse(await call('GET', `/containers/json?all=1&filters=${filter}`));
      if (!Array.isArray(list)) throw new Error('the engine answered no list of containers');
      for (const item of list) await call('DELETE', `/containers/${String(item.Id)}?force=1&v=1`);
    },
    close: () => agent.destroy(),
  };
}
