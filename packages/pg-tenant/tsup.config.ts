import { defineConfig } from 'tsup'
import manifest from './package.json' with { type: 'json' }

export default defineConfig({
  // The doors of the package, which package.json names.
  entry: Object.values(manifest.exports).flatMap((door) =>
    typeof door === 'object' ? door['@org/source'] : [],
  ),
  format: 'esm',
  target: 'node22',
  dts: true,
  splitting: true,
  sourcemap: true,
  clean: true,
})
