import { defineProject } from 'vitest/config'

/** One project per package and example; vitest 5 reads them through `vitest.config.ts`. */
const project = (name: string, root: string) =>
  defineProject({
    root,
    resolve: { conditions: ['@org/source', 'node', 'import', 'module', 'default'] },
    ssr: { resolve: { conditions: ['@org/source', 'node', 'import', 'module', 'default'] } },
    test: {
      name,
      include: ['test/**/*.test.ts'],
      typecheck: { enabled: false },
      testTimeout: 60_000,
      hookTimeout: 120_000,
    },
  })

export const projects = [
  project('core', 'packages/core'),
  project('pg-tenant', 'packages/pg-tenant'),
  project('rbac', 'packages/rbac'),
  project('crypto', 'packages/crypto'),
  project('hono', 'examples/hono'),
  project('express', 'examples/express'),
  project('tools', 'tools'),
]
