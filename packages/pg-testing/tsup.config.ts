import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'vitest/index': 'src/vitest/index.ts',
    'vitest/setup': 'src/vitest/setup.ts',
    'expect-type/index': 'src/expect-type/index.ts',
  },
  format: 'esm',
  target: 'node22',
  dts: true,
  splitting: true,
  sourcemap: true,
  clean: true,
})
