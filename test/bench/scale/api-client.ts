/** A client of the API that costs little itself, so that what it times is control: signed requests over kept connections, without an SDK between. */
import { createHash, createHmac } from 'node:crypto';
import { Agent, request } from 'node:http';
import { testKey } from '#test/support/processes.ts';

const target = 'AmazonEC2ContainerServiceV20141113';

export interface ApiClient {
  /** The answer's JSON. Rejects when it is an error. */
  call<Answer extends object>(operation: string, input: object): Promise<Answer>;
  close(): void;
}

export function createApiClient(url: string): ApiClient {
  const { hostname, port, host } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  function headersOf(operation: string, body: string): Record<string, string> {
    const at = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
    const scope = `${at.slice(0, 8)}/us-east-1/ecs/aws4_request`;
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      host,
      'x-amz-date': at,
      'x-amz-target': `${target}.${operation}`,
    };
    const names = Object.keys(headers).join(';');
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    const canonical = `POST\n/\n\n${lines.join('')}\n${names}\n${sha256(body)}`;
    const toSign = `AWS4-HMAC-SHA256\n${at}\n${scope}\n${sha256(canonical)}`;
    let key: Buffer = Buffer.from(`AWS4${testKey.secretAccessKey}`);
    for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    const credential = `${testKey.accessKeyId}/${scope}`;
    return {
      ...headers,
      authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
      'content-length': String(Buffer.byteLength(body)),
    };
  }

  return {
    call<Answer extends object>(operation: string, input: object): Promise<Answer> {
      const body = JSON.stringify(input);
      return new Promise((resolve, reject) => {
        const headers = headersOf(operation, body);
        const sent = request({ hostname, port, method: 'POST', path: '/', agent, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
            else reject(new Error(`${operation}: ${response.statusCode} ${text}`));
          });
        });
        sent.on('error', reject);
        sent.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
