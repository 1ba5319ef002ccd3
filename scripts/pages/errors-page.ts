import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { FAULTS, type FaultCode } from "../../src/errors/index.ts";
import { ROOT, origin, table } from "./page.ts";

const TABLE_FILE = "src/errors/fault-table.ts";
/** A part of the table with a file of its own. */
const NETWORK_FILE = "src/errors/network-faults.ts";

/** A detail as the table declares it: its name, and its type as TypeScript. */
interface Detail {
  readonly name: string;
  readonly type: string;
}

/** `docs/errors.md`: every code with what it means, its details, and a sentence in its shape. */
export function errorsPage(): string {
  const files = [TABLE_FILE, NETWORK_FILE].map((file) => readFileSync(join(ROOT, file), "utf8"));
  const declared = new Map(files.flatMap((source) => [...declaredDetails(source)]));
  const codes = Object.keys(FAULTS) as FaultCode[];
  const rows = codes.map((code) => {
    const details = declared.get(code);
    if (details === undefined)
      throw new TypeError(`${TABLE_FILE} has no row(...) with declared details for ${code}`);
    const { retryable, means } = FAULTS[code];
    const names = details.map(({ name, type }) => `\`${name}: ${type}\``).join(", ");
    return [`\`${code}\``, retryable ? "yes" : "no", means, names, sentenceShape(code, details)];
  });
  return [
    origin(TABLE_FILE),
    "# Errors",
    "",
    "Every expected failure has a code from this closed table. Match on `code`, never on the message: a sentence may be",
    "reworded in any release, a code may not. **Retryable** means that the same request, unchanged, may succeed later.",
    "A cancellation is not a failure: it is never logged as one and never retried.",
    "",
    "Across a thread, a file or the network an error travels as `{ code, message, details, cause }`; a tool answers with",
    "`{ success: false, error, code, retryable }` and the ids of the request. No stack crosses either border.",
    "",
    table(["code", "retryable", "meaning", "details", "sentence"], rows),
    "",
  ].join("\n");
}

/** Reads the type argument of each `CODE: row<{ ... }>(...)`, which is gone at run time. */
function declaredDetails(source: string): ReadonlyMap<string, readonly Detail[]> {
  const file = ts.createSourceFile(TABLE_FILE, source, ts.ScriptTarget.Latest, true);
  const found = new Map<string, readonly Detail[]>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && ts.isCallExpression(node.initializer)) {
      const type = node.initializer.typeArguments?.[0];
      if (type !== undefined && ts.isTypeLiteralNode(type)) {
        found.set(node.name.getText(), type.members.filter(ts.isPropertySignature).map(detailOf));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

const detailOf = (member: ts.PropertySignature): Detail => ({
  name: member.name.getText() + (member.questionToken ? "?" : ""),
  type: member.type?.getText() ?? "unknown",
});

function sentenceShape(code: FaultCode, details: readonly Detail[]): string {
  const samples = Object.fromEntries(details.map((each) => [each.name.replace("?", ""), sampleOf(each)]));
  // The samples are made from the declared types, which the compiler cannot follow back to the code.
  const sentence = FAULTS[code].sentence as (details: Record<string, unknown>) => string;
  return sentence(samples);
}

/** Sample numbers by what the unit in the name says. */
const NUMBERS: readonly (readonly [RegExp, number])[] = [
  [/Ms$/, 5_000],
  [/^limitBytes$/, 65_536],
  [/Bytes$/, 70_000],
];

/** Text stands for itself by its name in italics; a number must be a number, since sentences reckon with it. */
function sampleOf({ name, type }: Detail): unknown {
  const plain = `*${name.replace("?", "")}*`;
  if (type === "number") return NUMBERS.find(([pattern]) => pattern.test(name))?.[1] ?? 3;
  if (type.endsWith("[]")) return [plain, "…"];
  const literal = /^"([^"]*)"/.exec(type);
  return literal?.[1] ?? plain;
}
