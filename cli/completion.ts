import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;

interface Word {
  readonly word: string;
  readonly help: string;
}

/** What may follow each command: its own commands and options. '' is weft itself. */
function wordsOf(program: Command): ReadonlyMap<string, readonly Word[]> {
  const optionsOf = (command: Command): Word[] =>
    command.options.flatMap(({ long, description }) => (long ? [{ word: long, help: description }] : []));
  const shared = [
    ...optionsOf(program).filter(({ word }) => word !== '--version'),
    { word: '--help', help: 'print help' },
  ];
  const choicesOf = (command: Command): Word[] =>
    command.registeredArguments.flatMap(({ argChoices, description }) =>
      (argChoices ?? []).map((word) => ({ word, help: description })),
    );
  const commands = (command: Command): Word[] =>
    command.commands.map((one) => ({ word: one.name(), help: one.summary() || one.description() }));
  return new Map([
    ['', [...commands(program), ...shared, { word: '--version', help: 'print the version' }]],
    ['help', commands(program)],
    ...program.commands.map(
      (one) => [one.name(), [...commands(one), ...choicesOf(one), ...optionsOf(one), ...shared]] as const,
    ),
  ]);
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A script that completes commands, options and file names. Made from the command line itself, so it cannot differ from it. */
export function completionScript(shell: (typeof shells)[number], program: Command): string {
  const words = wordsOf(program);
  if (shell === 'fish') return fish(words);
  const cases = [...words]
    .map(
      ([verb, list]) => `    ${verb === '' ? "''" : verb}) words=${quote(list.map(({ word }) => word).join(' '))} ;;`,
    )
    .join('\n');
  const bash = `# Completion of weft for bash. Use: source <(weft completion bash)
_weft() {
  local current=\${COMP_WORDS[COMP_CWORD]} verb='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in -*) ;; *) verb=\${COMP_WORDS[i]}; break ;; esac
  done
  case $verb in
${cases}
  esac
  COMPREPLY=()
  if [[ -z $verb || $current == -* || $verb == token || $verb == completion || $verb == help ]]; then
    while IFS='' read -r i; do COMPREPLY+=("$i"); done < <(compgen -W "$words" -- "$current")
  else
    while IFS='' read -r i; do COMPREPLY+=("$i"); done < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _weft weft
`;
  if (shell === 'bash') return bash;
  return `#compdef weft
# Completion of weft for zsh. Use: source <(weft completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bash}`;
}

function fish(words: ReadonlyMap<string, readonly Word[]>): string {
  const lines = ['# Completion of weft for fish. Use: weft completion fish | source'];
  for (const [verb, list] of words) {
    const when = verb === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${verb}`;
    for (const { word, help } of list) {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      lines.push(`complete -c weft -n ${quote(when)} ${what} -d ${quote(help)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
