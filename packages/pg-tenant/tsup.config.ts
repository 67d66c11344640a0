import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    admin: 'src/admin.ts',
    'drizzle/index': 'src/drizzle/index.ts',
    'testing/index': 'src/testing/index.ts',
    'express/index': 'src/express/index.ts',
    'hono/index': 'src/hono/index.ts',
    'fastify/index': 'src/fastify/index.ts',
    'nest/index': 'src/nest/index.ts',
    'web/index': 'src/web/index.ts',
    'observe/index': 'src/observe/index.ts',
    'opentelemetry/index': 'src/opentelemetry/index.ts',
  },
  format: 'esm',
  target: 'node22',
  dts: true,
  splitting: true,
  sourcemap: true,
  clean: true,
})
