import fc from 'fast-check'

/** Any character. (fast-check's own unit `binary` is a table of all of them, which takes seconds to fill.) */
export const ANY_CHARACTER = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point))
