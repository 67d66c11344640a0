declare module 'pg-cursor' {
  /** The part that is tested; the package has no types of its own. */
  export default class Cursor {
    constructor(text: string, values?: unknown[])
    submit(): void
    read(rows: number): Promise<unknown[]>
    close(): Promise<void>
  }
}
