import { valuePlaces, quoted, type ShellCommand, type Place } from './words.js';

/** A script for bash 3.2 and newer; bash-completion is not needed. */
export function bashScript(commands: readonly ShellCommand[]): string {
  const list = (words: readonly string[]): string => words.map(quoted).join(' ');
  const names = commands.map(({ name }) => name);
  const flags = commands.map(({ name, flags }) => `    ${name}) words+=(${list(flags.map((flag) => flag.name))}) ;;`); // prettier-ignore
  const operands = commands.map(({ name, operands }) => `    ${name}) ${placed(operands, list)} ;;`);
  const values = valuePlaces(commands).map(({ place, patterns }) => `    ${patterns.join(' | ')}) ${placed(place, list)} isValue=1 ;;`); // prettier-ignore
  const optional = commands.flatMap(({ name, flags }) => flags.filter((flag) => flag.optional).map((flag) => `${name}:${flag.name}`)); // prettier-ignore
  return `# Completion of fastsde in bash. In ~/.bashrc: source <(fastsde completion bash)
_fastsde() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} word command files= isValue=
  local -a commands=() words=()
  COMPREPLY=()
  # --flag=value comes as three words.
  if [[ $current == = ]]; then current=
  elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    ${names.join(' | ')}) commands+=("$word"); [[ \${#commands[@]} == 1 && $word =~ ^(submit|help)$ ]] || break ;;
    -*) ;;
    *) [[ \${#commands[@]} -gt 0 ]] && break ;;
    esac
  done
  if [[ \${#commands[@]} == 0 ]]; then
    words=(${list([...names, '--help', '--version'])})
  else
    for command in "\${commands[@]}"; do
      case $command:$previous in
${values.join('\n')}
      esac
    done
    ${optional.length === 0 ? '' : `case $command:$previous in ${optional.join(' | ')}) [[ $current == -* ]] && isValue= files= words=() ;; esac`}
    if [[ -z $isValue && $current == -* ]]; then
      for command in "\${commands[@]}"; do
        case $command in
${flags.join('\n')}
        esac
      done
    elif [[ -z $isValue ]]; then
      command=\${commands[\${#commands[@]}-1]}
      case $command in
${operands.join('\n')}
      esac
    fi
  fi
  for word in "\${words[@]}"; do
    [[ $word == "$current"* ]] || continue
    [[ $files ]] || word=$(printf %q "$word")
    COMPREPLY+=("$word")
  done
  if [[ $files ]]; then
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$files" -- "$current")
    compopt -o filenames 2>/dev/null
  fi
  return 0
}
complete -F _fastsde fastsde
`;
}

function placed({ words, files }: Place, list: (words: readonly string[]) => string): string {
  const given = words.length === 0 ? '' : `words+=(${list(words)}); `;
  return `${given}files=${files === undefined ? '' : files === 'all' ? '-f' : '-d'};`;
}
