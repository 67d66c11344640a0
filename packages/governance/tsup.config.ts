import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/*/index.ts', 'src/*/*/index.ts'],
  format: 'esm',
  target: 'node22',
  dts: true,
  splitting: true,
  sourcemap: true,
  clean: true,
})
