/** Types of the part of @std/yaml that is used (npm's deno-std ships none). */

export class YamlSyntaxError extends SyntaxError {
  /** Place in the text (without its byte order mark), in UTF-16 units. */
  readonly offset: number;
}

export interface ParseOptions {
  /** `failsafe`: mappings, lists and strings, nothing else. */
  readonly schema?: "failsafe" | "json" | "core" | "default" | "extended";
}

export function parse(content: string, options?: ParseOptions): unknown;
