import { fileURLToPath } from 'node:url'
import { defineProject } from 'vitest/config'

const POSTGRES = fileURLToPath(new URL('packages/pg-testing/src/postgres/global-setup.ts', import.meta.url))

/** One project per package and example; vitest 5 reads them through `vitest.config.ts`. */
const project = (name: string, root: string, globalSetup: string[] = []) =>
  defineProject({
    root,
    resolve: { conditions: ['@org/source', 'node', 'module', 'default'] },
    ssr: { resolve: { conditions: ['@org/source', 'node', 'module', 'default'] } },
    test: {
      name,
      include: ['test/**/*.test.ts'],
      globalSetup,
      testTimeout: 60_000,
      hookTimeout: 120_000,
    },
  })

export const projects = [
  project('core', 'packages/core'),
  project('pg-testing', 'packages/pg-testing', [POSTGRES]),
  project('pg-tenant', 'packages/pg-tenant', [POSTGRES]),
  project('rbac', 'packages/rbac', [POSTGRES]),
  project('crypto', 'packages/crypto', [POSTGRES]),
  project('governance', 'packages/governance', [POSTGRES]),
  project('cli', 'packages/cli', [POSTGRES]),
  project('hono', 'examples/hono', [POSTGRES]),
  project('express', 'examples/express', [POSTGRES]),
  project('demo', 'examples/demo'),
  project('tools', 'tools', [POSTGRES]),
]
