import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/api-keys/index.ts',
    'src/passwords/index.ts',
    'src/tokens/index.ts',
    'src/vault/index.ts',
  ],
  format: 'esm',
  target: 'node22',
  dts: true,
  splitting: true,
  sourcemap: true,
  clean: true,
})
