/** Text that is HTML already. Everything else that goes into `markup` is escaped: forgetting it is not possible. */
export class Markup {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

type Part = string | number | Markup | readonly Part[];

/** A tagged template: markup`<td>${name}</td>`. Lists are joined without a separator. */
export function markup(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(
    literals.reduce((source, literal, index) => source + sourceOf(parts[index - 1] ?? "") + literal),
  );
}

function sourceOf(part: Part): string {
  if (part instanceof Markup) return part.source;
  if (typeof part === "number") return String(part);
  if (typeof part === "string")
    return part.toWellFormed().replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return part.map(sourceOf).join("");
}
