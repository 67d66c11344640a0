/** Type parsers as `pg` takes them (`pg.types`). */
export interface TypeParsers {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown
}
