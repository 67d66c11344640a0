import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineProject } from 'vitest/config'

const POSTGRES = fileURLToPath(new URL('packages/pg-testing/src/vitest/setup.ts', import.meta.url))

/**
 * The two sets, by the tags of tests (`{ tags: 'slow' }`) and of files (`// @module-tag slow`). `pnpm test` leaves out what is `slow`:
 * long, and of a kind that other tests of the default set are of, too. `pnpm test:slow` runs that, and with `TEST_SLOW` the files that are
 * `sampled`, which share their levels, cases and points out between the two. CI runs both sets. `vitest run <file>`, without a
 * filter, runs what is `slow` too; with TEST_SLOW the other half of what is `sampled`.
 */
export const tags = [
  { name: 'slow', description: 'left to `pnpm test:slow`' },
  { name: 'sampled', description: 'shared out between `pnpm test` and `pnpm test:slow`' },
]
const include = (root: string): string[] =>
  process.env.TEST_SLOW
    ? globSync('test/**/*.test.ts', { cwd: root }).filter((file) =>
        TAGGED.test(readFileSync(join(root, file), 'utf8')),
      )
    : ['test/**/*.test.ts']
const TAGGED = /^\/\/ @module-tag |tags: '/m

/**
 * One project per package and example; vitest 5 reads them through `vitest.config.ts`. Where a file's modules hold nothing
 * that outlives it, files share a process (`isolate: false`): half the processor time goes into loading the library.
 */
const project = (name: string, root: string, globalSetup: string[] = [], isolate = true) =>
  defineProject({
    root,
    resolve: { conditions: ['@org/source', 'node', 'module', 'default'] },
    ssr: { resolve: { conditions: ['@org/source', 'node', 'module', 'default'] } },
    test: {
      name,
      include: include(join(import.meta.dirname, root)),
      isolate,
      globalSetup,
      // Bounds for what hangs, not for what a busy machine makes slow; the slow set takes every statement of what the others sample.
      testTimeout: process.env.TEST_SLOW ? 600_000 : 180_000,
      hookTimeout: 240_000,
      expect: { poll: { timeout: 60_000 } },
    },
  })

export const projects = [
  project('core', 'packages/core', [], false),
  project('pg-testing', 'packages/pg-testing', [POSTGRES], false),
  project('pg-tenant', 'packages/pg-tenant', [POSTGRES], false),
  project('rbac', 'packages/rbac', [POSTGRES], false),
  project('crypto', 'packages/crypto', [POSTGRES], false),
  project('governance', 'packages/governance', [POSTGRES], false),
  project('cli', 'packages/cli', [POSTGRES], false),
  project('hono', 'examples/hono', [POSTGRES], false),
  project('express', 'examples/express', [POSTGRES], false),
  project('demo', 'examples/demo'),
  project('tools', 'tools', [POSTGRES]),
]
