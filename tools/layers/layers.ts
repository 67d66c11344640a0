/**
 * What may know what. Packages: each with those of ours that its sources may import. Folders (and files beside them) of
 * `src`: each may import those before it in its list, never one behind it, types included. `index`, `admin` (the file) and `main` may import
 * everything and are imported by nothing. `ARCHITECTURE.md` prints this list; `tools/test/layers.test.ts` enforces it.
 */
export interface PackageLayers {
  readonly packages: readonly string[]
  readonly folders: readonly string[]
}

const words = (text: string): string[] => text.trim().split(/\s+/)

export const LAYERS: Readonly<Record<string, PackageLayers>> = {
  core: {
    packages: [],
    folders: words(
      'ask-together error-codes tenancy-error sqlstate tracing invalid-input known-options migration violated-field error-body tenant-key queryable coded-control belongings checks sealing context read-together resolve http',
    ),
  },
  'pg-testing': { packages: [], folders: words('expect-type programs postgres wire world vitest') },
  'pg-tenant': {
    packages: ['core', 'pg-testing'], // pg-testing: for `testing` alone
    folders: words(`
      sql errors observe driver admin isolation registry credentials scope migrations lifecycle fleet archive offboard move verify
      stats doctor adoption apps pool tenancy placement http express hono fastify nest web drizzle opentelemetry testing`),
  },
  rbac: {
    packages: ['core'],
    folders: words(
      'catalog constraints snapshot compile explain evaluate sql store guard express hono fastify nest web drizzle testing',
    ),
  },
  crypto: {
    packages: ['core'],
    folders: words('envelope keys settings integrations rotation passwords api-keys tokens vault'),
  },
  governance: {
    packages: ['core'],
    folders: words(`
      sql input json keys levels partitions tenants control jobs idempotency rate-limit audit outbox usage privacy retention
      webhooks checks`),
  },
  cli: {
    packages: ['core', 'pg-tenant', 'crypto', 'rbac', 'governance'],
    folders: words(
      'exit-codes io cli-error output config init command confirm program completion commands session run',
    ),
  },
}

/** The list as ARCHITECTURE.md has it. */
export function printed(): string {
  const lines = Object.entries(LAYERS).map(
    ([name, { packages, folders }]) =>
      `| \`${name}\` | ${packages.map((other) => `\`${other}\``).join(', ') || '–'} | ${folders.join(' · ')} |`,
  )
  return `| package | may import | folders, each only those before it |\n|---|---|---|\n${lines.join('\n')}\n`
}
