import type { Tool } from "../tools/index.ts";
import type { TemplateRegistry } from "../workflow/template.ts";

/** What a server offers, whatever it is reached by. */
export interface Offer {
  /** Those that are offered, in this order. */
  readonly tools: readonly Tool[];
  /** What the tools of templates are about; default: none. */
  readonly templates?: TemplateRegistry;
}
