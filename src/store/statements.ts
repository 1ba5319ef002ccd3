import type { Driver, Query, Row, Statement } from "./driver.ts";

/** What a reader is handed. */
export interface Queries {
  /** The prepared statement of this text, made once. Give it constant texts: values go into parameters. */
  prepare<R = Row>(sql: string): Query<R>;
}

/** What a unit of work is handed. */
export interface Statements {
  prepare<R = Row>(sql: string): Statement<R>;
}

/** Keeps the statements that were used last. */
export class StatementCache implements Statements {
  readonly #driver: Driver;
  readonly #limit: number;
  readonly #statements = new Map<string, Statement>();

  constructor(driver: Driver, limit: number) {
    this.#driver = driver;
    this.#limit = limit;
  }

  prepare<R = Row>(sql: string): Statement<R> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#driver.prepare(sql);
      if (this.#statements.size >= this.#limit) this.#dropOldest();
      this.#statements.set(sql, statement);
    }
    return statement as Statement<R>;
  }

  /** By age, not by use: a hit costs one look-up, and a full cache is a sign of texts that are not constant. */
  #dropOldest(): void {
    for (const sql of this.#statements.keys()) {
      this.#statements.delete(sql);
      return;
    }
  }
}
