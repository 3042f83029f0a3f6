import { valuePlaces, quoted, type ShellCommand, type Place } from './words.js';

/** A script for zsh: to be sourced behind compinit, or a file \`_fastsde\` in a folder of fpath. */
export function zshScript(commands: readonly ShellCommand[]): string {
  const described = (things: readonly { readonly name: string; readonly does: string }[]): string =>
    things.map(({ name, does }) => quoted(`${name}:${does}`)).join(' ');
  const flags = commands.map(({ name, flags }) => `    ${name}) things+=(${described(flags)}) ;;`);
  const operands = commands.map(({ name, operands }) => `    ${name}) ${placed(operands)} ;;`);
  const values = valuePlaces(commands).map(({ place, patterns }) => `    ${patterns.map(quoted).join(' | ')}) ${placed(place)}; return ;;`); // prettier-ignore
  return `#compdef fastsde
# Completion of fastsde in zsh. In ~/.zshrc, behind compinit: source <(fastsde completion zsh)
_fastsde() {
  local current=$words[CURRENT] previous=$words[CURRENT-1] word command
  local -a commands things
  for word in $words[2,CURRENT-1]; do
    case $word in
    ${commands.map(({ name }) => name).join(' | ')}) commands+=($word); [[ $#commands == 1 && $word == (submit|help) ]] || break ;;
    -*) ;;
    *) (( $#commands )) && break ;;
    esac
  done
  if (( ! $#commands )); then
    things=(${described(commands)})
    _describe command things
    return
  fi
  if [[ $current == --*=* ]]; then
    previous=\${current%%=*}
    compset -P '*='
  fi
  for command in $commands; do
    case $command:$previous in
${values.join('\n')}
    esac
  done
  if [[ $current == -* ]]; then
    for command in $commands; do
      case $command in
${flags.join('\n')}
      esac
    done
    _describe -o option things
    return
  fi
  case $commands[-1] in
${operands.join('\n')}
  esac
}
if [[ $funcstack[1] == _fastsde ]]; then _fastsde "$@"; else compdef _fastsde fastsde; fi
`;
}

function placed({ words, files }: Place): string {
  const ways = [
    ...(words.length === 0 ? [] : [`compadd -- ${words.map(quoted).join(' ')}`]),
    ...(files === undefined ? [] : [files === 'all' ? '_files' : '_files -/']),
  ];
  return ways.length === 0 ? '_message value' : ways.join('; ');
}
