import { SECRET_NAME } from "../telemetry/index.ts";

/**
 * What handlers print, return and fail with is text of strangers: a model reads it as it reads its instructions, and
 * a host may keep it. Signs that people cannot see are taken out of it, and what looks like a secret is written over.
 */
export interface TextHygiene {
  clean(text: string): string;
  /** Every text in a JSON value, keys included; the value itself when there is nothing to clean. */
  cleanValue<T>(value: T): T;
  /** Likewise, with the text of its JSON. Costs little where there is nothing to clean. */
  cleanJson<T extends object>(value: T): { readonly value: T; readonly text: string };
}

/** Whatever a secret's pattern, or an unseen sign, could be hidden from in the text of JSON: an escape, or no ASCII. */
const UNUSUAL = /[^ -[\]-~]/;

const REDACTED = "[redacted]";
/** A shorter value of an environment variable is a word that stands in texts of all kinds. */
const SECRET_CHARS_MIN = 8;

/**
 * Colours, moves and titles of a terminal. Node's own `stripVTControlCharacters` takes quadratic time for openings that
 * nothing closes; here nothing is looked at twice.
 *
 * @see https://ecma-international.org/publications-and-standards/standards/ecma-48/
 */
const TERMINAL =
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  /\u001b\][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/g;
/** C0 without tab and line breaks, and C1. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
/**
 * Signs of no width, marks of direction, blank letters, and the tags in which a text can be hidden in another.
 *
 * @see https://trojansource.codes
 * @see https://www.unicode.org/reports/tr36/ Unicode Security Considerations
 */
const UNSEEN =
  /[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e00ff}\u{e01f0}-\u{e0fff}]/gu;
/** What joins letters, and what chooses between forms of one, is needed by scripts and emojis, though not in rows. */
const UNSEEN_ROWS = /[\u200c\u200d]{2,}|[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]{2,}/gu;

/** What is written over; of those with groups, the group stays. Each part is bounded, or begins where no other can. */
const SECRETS: readonly RegExp[] = [
  /\b(Bearer\s+|Basic\s+)[\w.~+/-]{16,}=*/gi,
  // The password of a URL, and a key among its parameters.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@"']{0,256}:)[^\s/@"']{1,1024}(?=@)/gi,
  /([?&][\w-]{0,64}(?:token|secret|passw(?:or)?d|api[-_]?key|signature|sig|credential)[\w-]{0,64}=)[^\s&#"']+/gi,
  // Keys that tell by their beginning whose they are: GitHub, GitLab, Slack, AWS, Google, Stripe and model providers.
  /(?<![\w-])()(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|(?:sk|rk)[-_][\w-]{20,})/g,
  // A token that is a signed document.
  /(?<![\w-])()eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/g,
  /()-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----BEGIN)[\s\S])*?-----END [A-Z ]{0,40}PRIVATE KEY-----/g,
];

/** @param environment whose values are secrets where their names say so */
export function textHygiene(environment: Readonly<Record<string, string | undefined>>): TextHygiene {
  const values = Object.entries(environment)
    .filter(([name, value]) => SECRET_NAME.test(name) && (value?.length ?? 0) >= SECRET_CHARS_MIN)
    .map(([, value]) => value ?? "")
    // What is part of a longer one must not be written over first.
    .sort((one, other) => other.length - one.length);

  const clean = (text: string): string => {
    let cleaned = text
      .replace(TERMINAL, "")
      .replace(CONTROLS, "")
      .replace(UNSEEN, "")
      .replace(UNSEEN_ROWS, "");
    for (const value of values) cleaned = cleaned.replaceAll(value, REDACTED);
    for (const secret of SECRETS) cleaned = cleaned.replace(secret, `$1${REDACTED}`);
    return cleaned;
  };

  const cleanAny = (value: unknown): unknown => {
    if (typeof value === "string") return clean(value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      const items = value.map(cleanAny);
      return items.every((item, at) => item === value[at]) ? value : items;
    }
    const entries = Object.entries(value);
    const cleaned = entries.map(([key, member]) => [clean(key), cleanAny(member)] as const);
    const isSame = cleaned.every(
      ([key, member], at) => key === entries[at]?.[0] && member === entries[at][1],
    );
    return isSame ? value : Object.fromEntries(cleaned);
  };

  // Texts and keys alone have changed.
  const cleanValue = <T>(value: T): T => cleanAny(value) as T;

  const mayHide = (text: string): boolean =>
    UNUSUAL.test(text) ||
    values.some((value) => text.includes(value)) ||
    // `test` would begin where the last match has ended.
    SECRETS.some((secret) => text.search(secret) !== -1);

  return {
    clean,
    cleanValue,
    cleanJson(value) {
      const text = JSON.stringify(value);
      if (!mayHide(text)) return { value, text };
      const cleaned = cleanValue(value);
      return { value: cleaned, text: JSON.stringify(cleaned) };
    },
  };
}
