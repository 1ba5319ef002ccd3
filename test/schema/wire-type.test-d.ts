import { expectTypeOf } from "vitest";
import type { WireError } from "../../src/errors/index.ts";
import type { IsWire, Wire, Wireable } from "../../src/schema/index.ts";

// Laws of the type `IsWire`, checked by the compiler; nothing here runs.

interface Row {
  readonly id: string;
  readonly weight?: number;
  readonly tags: readonly string[];
}
interface Tree {
  readonly value: bigint;
  readonly children: readonly Tree[];
}
class WithMethod {
  total = 0;
  add(by: number): void {
    this.total += by;
  }
}
declare const BRAND: unique symbol;
type TaskId = string & { readonly [BRAND]: "task" };
type Yes<T> = IsWire<T>;
type No<T> = IsWire<T> extends false ? true : false;

// Plain data crosses: interfaces, optional and readonly properties, arrays, tuples, unions, recursion.
expectTypeOf<Yes<null | undefined | boolean | number | bigint | string>>().toEqualTypeOf<true>();
expectTypeOf<Yes<"a" | 1 | TaskId>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Uint8Array | Date | Buffer>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Row>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Row[]>>().toEqualTypeOf<true>();
expectTypeOf<Yes<readonly [Row, number, ...string[]]>>().toEqualTypeOf<true>();
expectTypeOf<Yes<{ kind: "a"; row: Row } | { kind: "b"; at: Date } | null>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Record<string, Row>>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Tree>>().toEqualTypeOf<true>();
expectTypeOf<Yes<Wire>>().toEqualTypeOf<true>();
expectTypeOf<
  Yes<{ readonly inputs: Readonly<Record<string, Wire>>; readonly list: readonly Wire[] }>
>().toEqualTypeOf<true>();
expectTypeOf<Yes<WireError>>().toEqualTypeOf<true>();
expectTypeOf<Yes<{ readonly error: WireError | null }>>().toEqualTypeOf<true>();
expectTypeOf<Yes<never>>().toEqualTypeOf<true>();

// What carries behaviour, identity or nothing known does not.
expectTypeOf<No<() => void>>().toEqualTypeOf<true>();
expectTypeOf<No<{ done: () => void }>>().toEqualTypeOf<true>();
expectTypeOf<No<{ done?: (by: number) => void }>>().toEqualTypeOf<true>();
expectTypeOf<No<Row | (() => void)>>().toEqualTypeOf<true>();
expectTypeOf<No<Wire | (() => void)>>().toEqualTypeOf<true>();
expectTypeOf<No<readonly [Row, symbol]>>().toEqualTypeOf<true>();
expectTypeOf<No<{ [BRAND]: string }>>().toEqualTypeOf<true>();
expectTypeOf<No<WithMethod>>().toEqualTypeOf<true>();
expectTypeOf<No<Map<string, () => void>>>().toEqualTypeOf<true>();
expectTypeOf<No<Set<string>>>().toEqualTypeOf<true>();
expectTypeOf<No<Promise<string>>>().toEqualTypeOf<true>();
expectTypeOf<No<AbortSignal>>().toEqualTypeOf<true>();
expectTypeOf<No<Float64Array>>().toEqualTypeOf<true>();
expectTypeOf<No<Error>>().toEqualTypeOf<true>();
expectTypeOf<No<unknown>>().toEqualTypeOf<true>();
expectTypeOf<No<{ deep: { deeper: unknown } }>>().toEqualTypeOf<true>();
// oxlint-disable-next-line typescript/no-explicit-any -- that `any` is refused is the law
expectTypeOf<No<{ deep: any }>>().toEqualTypeOf<true>();
expectTypeOf<No<object>>().toEqualTypeOf<true>();
expectTypeOf<No<{ empty: {} }>>().toEqualTypeOf<true>();

// It checks a type argument without being circular.
declare function call<P>(..._: IsWire<P> extends true ? [] : [refused: never]): P;
expectTypeOf(call<{ by: number }>()).toEqualTypeOf<{ by: number }>();
// @ts-expect-error a function cannot cross
call<{ done: () => void }>();

// The shape of what crosses is itself; of what does not, never.
expectTypeOf<Wireable<Row>>().toEqualTypeOf<Row>();
expectTypeOf<Wireable<{ run: () => void }>["run"]>().toEqualTypeOf<never>();
