/** What shells complete, made from the table of commands. Pure. */

import { COMMAND_NAMES, type CommandName, COMMANDS, type Shell, SHELLS } from "./commands.ts";
import type { Flag } from "./parse/flag.ts";
import { TOPICS } from "./topics.ts";

/** What may follow a flag, or be where a command has its own words. */
type Words = readonly string[] | "files" | "any";

/** The value of a flag, by what the help calls it. */
function valueWords({ value }: Flag<unknown>): Words | undefined {
  if (value === undefined) return undefined;
  if (/FILE|PATH/.test(value)) return "files";
  return /^[a-z|]+$/.test(value) ? value.split("|") : "any";
}

function ownWords(name: CommandName): readonly string[] | "files" {
  const { positional } = COMMANDS[name];
  return name === "completion" ? SHELLS : positional?.name === "FILE" ? "files" : [];
}

const flagsOf = (name: CommandName) =>
  COMMANDS[name].flags.flatMap((flag) => [
    `--${flag.name}`,
    ...(flag.short ? [`-${flag.short}`] : []),
  ]);

const HELP_WORDS = [...COMMAND_NAMES, ...TOPICS, "--man"];
const FIRST_WORDS = [...COMMAND_NAMES, "help", "--peer", "--help", "--version"];

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Cases by the flag before the cursor, of bash and zsh; each calls `reply` or `replyfiles`. */
function valueCases(): string {
  const lines = COMMAND_NAMES.flatMap((name) =>
    COMMANDS[name].flags.flatMap((flag) => {
      const words = valueWords(flag);
      if (words === undefined || flag.optional) return [];
      const patterns = [`--${flag.name}`, ...(flag.short ? [`-${flag.short}`] : [])];
      const action = words === "files"
        ? "replyfiles"
        : words === "any"
        ? ":"
        : `reply ${words.join(" ")}`;
      return [`    ${patterns.map((one) => `${name}:${one}`).join("|")}) ${action}; return ;;\n`];
    })
  );
  return lines.join("");
}

function commandCases(): string {
  return COMMAND_NAMES.map((name) => {
    const own = ownWords(name);
    const words = [...(own === "files" ? [] : own), ...flagsOf(name)];
    return `    ${name}) ${own === "files" ? "replyfiles; " : ""}reply ${words.join(" ")} ;;\n`;
  }).join("");
}

/** The part that bash and zsh share: `command`, `count`, `prev` and `cur` are set. */
const body = () =>
  `  if [ "$count" -le 1 ]; then reply ${FIRST_WORDS.join(" ")}; return; fi
  [ "$command" = --peer ] && command=up
  case "$command:$prev" in
${valueCases()}  esac
  case "$command" in
    help) reply ${HELP_WORDS.join(" ")} ;;
${commandCases()}  esac
`;

function bash(): string {
  return `# bash completion of tunnet: source <(tunnet completion bash)
_tunnet() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=\${COMP_WORDS[1]} count=$COMP_CWORD
  COMPREPLY=()
  reply() { mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$*" -- "$cur"); }
  replyfiles() { mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur"); }
  _tunnet_words
  unset -f reply replyfiles
}
_tunnet_words() {
${body()}}
complete -o filenames -F _tunnet tunnet
`;
}

function zsh(): string {
  return `#compdef tunnet
# zsh completion of tunnet: tunnet completion zsh > "\${fpath[1]}/_tunnet"
_tunnet() {
  local cur=$words[CURRENT] prev=$words[CURRENT-1] command=$words[2] count=$((CURRENT - 1))
  reply() { compadd -- "$@" }
  replyfiles() { _files }
  _tunnet_words
  unfunction reply replyfiles
}
_tunnet_words() {
${body()}}
compdef _tunnet tunnet
`;
}

function fish(): string {
  const on = (name: CommandName) =>
    name === "up"
      ? '"__fish_seen_subcommand_from up; or __fish_contains_opt peer"'
      : `"__fish_seen_subcommand_from ${name}"`;
  const line = (...words: readonly string[]) => `complete -c tunnet ${words.join(" ")}\n`;
  const first = (word: string, help: string) =>
    line("-n __fish_use_subcommand", "-f", `-a ${word}`, `-d ${quoted(help)}`);
  const commands = COMMAND_NAMES.map((name) => {
    const own = ownWords(name);
    return first(name, COMMANDS[name].summary) +
      (own === "files"
        ? line(`-n ${on(name)}`, "-F")
        : line(`-n ${on(name)}`, "-f", `-a ${quoted(own.join(" "))}`)) +
      COMMANDS[name].flags.map((flag) => {
        const words = valueWords(flag);
        const value = words === undefined || flag.optional
          ? []
          : words === "files"
          ? ["-r", "-F"]
          : ["-x", ...(words === "any" ? [] : [`-a ${quoted(words.join(" "))}`])];
        const short = flag.short ? [`-s ${flag.short}`] : [];
        return line(
          `-n ${on(name)}`,
          ...short,
          `-l ${flag.name}`,
          ...value,
          `-d ${quoted(flag.help)}`,
        );
      }).join("");
  });
  return `# fish completion of tunnet: tunnet completion fish > ~/.config/fish/completions/tunnet.fish
${commands.join("")}${first("help", "show the help of a command or a topic")}${
    line("-n '__fish_seen_subcommand_from help'", "-f", `-a ${quoted(HELP_WORDS.join(" "))}`)
  }`;
}

/** The script that a shell reads. */
export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}
