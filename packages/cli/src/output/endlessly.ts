import { Writable } from 'node:stream'

/** A stream whose end does not end the one behind it: stdout stays open. Waits for a slow reader. */
export function endlessly(behind: Writable): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      behind.write(chunk, (error) => done(error))
    },
  })
}
