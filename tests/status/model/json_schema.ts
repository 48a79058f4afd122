/**
 * A small validator of JSON Schema (draft 2020-12): the keywords that the
 * status schema uses, and an error for any other, so that none is passed over.
 */

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

function isType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isSafeInteger(value);
  return typeOf(value) === type && (type !== "number" || Number.isFinite(value));
}

/** RFC 3339, in UTC, as Date.toISOString writes it. */
function isDateTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}

type Check = (value: unknown, rule: Json, at: string, schema: Record<string, Json>) => string[];

const wrong = (at: string, what: string) => [`${at || "(root)"}: ${what}`];

const isObject = (value: unknown): value is Record<string, unknown> => typeOf(value) === "object";

/** Checks of keywords; each applies only to values of its own kind, as the standard has it. */
const KEYWORDS: Readonly<Record<string, Check>> = {
  $schema: () => [],
  title: () => [],
  description: () => [],
  type: (value, rule, at) => {
    const types = [rule].flat() as string[];
    return types.some((type) => isType(value, type))
      ? []
      : wrong(at, `is ${typeOf(value)}, not ${types.join(" or ")}`);
  },
  const: (value, rule, at) => value === rule ? [] : wrong(at, `is not ${JSON.stringify(rule)}`),
  enum: (value, rule, at) =>
    (rule as Json[]).includes(value as Json)
      ? []
      : wrong(at, `${JSON.stringify(value)} not listed`),
  minimum: (value, rule, at) =>
    typeof value !== "number" || value >= Number(rule)
      ? []
      : wrong(at, `${value} is under ${rule}`),
  maximum: (value, rule, at) =>
    typeof value !== "number" || value <= Number(rule) ? [] : wrong(at, `${value} is over ${rule}`),
  format: (value, rule, at) => {
    if (rule !== "date-time") throw new Error(`the validator does not know the format ${rule}`);
    return typeof value !== "string" || isDateTime(value) ? [] : wrong(at, "is no date-time");
  },
  required: (value, rule, at) =>
    !isObject(value)
      ? []
      : (rule as string[]).filter((key) => !(key in value)).flatMap((key) =>
        wrong(at, `lacks ${key}`)
      ),
  properties: (value, rule, at) =>
    !isObject(value) ? [] : Object.entries(rule as Record<string, Json>)
      .flatMap(([key, schema]) =>
        key in value ? validate(value[key], schema as Record<string, Json>, `${at}.${key}`) : []
      ),
  additionalProperties: (value, rule, at, schema) =>
    !isObject(value) ? [] : Object.keys(value)
      .filter((key) => !(key in (schema.properties as Record<string, Json> ?? {})))
      .flatMap((key) => validate(value[key], rule as Record<string, Json>, `${at}.${key}`)),
  propertyNames: (value, rule, at) =>
    !isObject(value) ? [] : Object.keys(value)
      .flatMap((key) => validate(key, rule as Record<string, Json>, `${at}.${key} (name)`)),
  pattern: (value, rule, at) =>
    typeof value !== "string" || new RegExp(String(rule), "u").test(value)
      ? []
      : wrong(at, `${JSON.stringify(value)} does not match ${rule}`),
  items: (value, rule, at) =>
    !Array.isArray(value)
      ? []
      : value.flatMap((one, i) => validate(one, rule as Record<string, Json>, `${at}[${i}]`)),
};

/** What is wrong with a value, a line each; nothing if it is valid. Throws for an unknown keyword. */
export function validate(value: unknown, schema: object, at = ""): string[] {
  const rules = schema as Record<string, Json>;
  return Object.entries(rules).flatMap(([keyword, rule]) => {
    const check = KEYWORDS[keyword];
    if (!check) throw new Error(`the validator does not know the keyword ${keyword}`);
    return check(value, rule, at, rules);
  });
}
