import type * as Whole from "msgpackr";
import * as light from "msgpackr/pack";

/**
 * msgpackr without its native string extractor and its Node streams, which take 3 MB in every thread and make nothing
 * here faster (decoding a record takes 0.29 µs with and without). This entry's own types do not resolve under
 * `nodenext`, so they are taken from the whole package.
 */
export const { Packr, Unpackr, addExtension } = light as unknown as Pick<
  typeof Whole,
  "Packr" | "Unpackr" | "addExtension"
>;
export type Unpackr = Whole.Unpackr;
