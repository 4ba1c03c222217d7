/** The sample application: a page that says which container answered. Needs nothing but Node. */
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const port = Number(process.env.PORT ?? 8080);
const greeting = process.env.GREETING ?? 'Hello from Berth';
const host = hostname();
const startedAt = new Date().toISOString();
let answered = 0;

const server = createServer((request, response) => {
  if (request.url === '/health') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    return;
  }
  answered += 1;
  const line = `${greeting}: container ${host}, request ${answered}, running since ${startedAt}`;
  if (request.headers.accept?.includes('text/html')) {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page());
  } else {
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(`${line}\n`);
  }
  process.stdout.write(`${request.method} ${request.url} answered ${answered}\n`);
});

function page() {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(greeting)}</title>
<style>
  body { font: 18px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem; color: #1b2733 }
  h1 { font-size: 2.2rem; margin-bottom: .3em }
  dt { color: #5b6b7a; font-size: .85rem } dd { margin: 0 0 .8em; font-family: ui-monospace, monospace }
  @media (prefers-color-scheme: dark) { body { background: #10171e; color: #e3eaf1 } dt { color: #8fa0b0 } }
</style>
<h1>${escape(greeting)}</h1>
<p>This page was served by one of the service's tasks. Ask again: another one may answer.</p>
<dl>
  <dt>container</dt><dd>${escape(host)}</dd>
  <dt>requests answered</dt><dd>${answered}</dd>
  <dt>running since</dt><dd>${startedAt}</dd>
</dl>
</html>
`;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

server.listen(port, () => process.stdout.write(`listening on port ${port}\n`));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    process.stdout.write(`${signal}: closing\n`);
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 2000).unref();
  });
}
