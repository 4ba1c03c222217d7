/**
 * One program: `berth control` and `berth agent` are the daemons, everything else is the command line. Each is loaded only when asked for,
 * so that a daemon carries no code of another.
 */

const [command, ...rest] = process.argv.slice(2);

async function run(): Promise<number> {
  if (command === 'control') return (await import('#control/main.ts')).main(rest);
  if (command === 'agent') return (await import('#agent/main.ts')).main(rest);
  return (await import('#cli/main.ts')).main(process.argv.slice(2));
}

process.exit(await run());
