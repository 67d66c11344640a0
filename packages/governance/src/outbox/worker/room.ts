import type { doorbell } from './doorbell.ts'
import type { Places } from './places.ts'

/** Says when to take events, and how many. */
export interface Room {
  /**
   * Until there is a place, and then until there are some, or those that are left take long. Who drains has nobody to look for.
   *
   * @returns for how many
   */
  wanted(untilEmpty: boolean): Promise<number>
  /** How long it took to take (ms). */
  took(ms: number): void
  /** One was taken that there was no place for. */
  refused(): void
}

/**
 * To take costs the database more than an event does: this share of the places is waited for, and no longer than some times as long as
 * it took the last time, from so many milliseconds to so many.
 */
const ROOMY = 0.5
const GATHER = { times: 4, least: 10, most: 100 }
/**
 * How long events wait for a place of their tenant's before it is looked for others (ms), for how many of the free places; what is not
 * theirs waits as long at least.
 */
export const OTHERS = 200
const LOOK = 0.25

export function roomOf(
  places: Places,
  most: number,
  bell: ReturnType<typeof doorbell>,
  stopping: () => boolean,
): Room {
  const roomy = Math.ceil(most * ROOMY)
  let taking = 0
  let refused = false
  const gather = async () => {
    const patience = Math.min(Math.max(GATHER.times * taking, GATHER.least), GATHER.most)
    const end = performance.now() + patience
    for (let left = patience; places.room < roomy && left > 0 && !stopping(); left = end - performance.now())
      await bell.rung(left)
  }
  return {
    wanted: async (untilEmpty) => {
      while (places.free === 0 && !stopping()) await bell.rung()
      await gather()
      while (places.crowded && untilEmpty && !stopping()) await bell.rung()
      const full = places.room === 0 && !places.stuck(OTHERS)
      if ((refused || full) && !stopping()) await bell.rung(OTHERS)
      refused = false
      return places.stuck(OTHERS) ? Math.max(places.room, Math.ceil(places.free * LOOK)) : places.room
    },
    took: (ms) => {
      taking = ms
    },
    refused: () => {
      refused = true
    },
  }
}
