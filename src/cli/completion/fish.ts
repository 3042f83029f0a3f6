import type { ShellCommand, Place } from './words.js';

/** A script for fish 3 and newer. */
export function fishScript(commands: readonly ShellCommand[]): string {
  const lines = commands.flatMap(({ name, does, flags, operands }) => {
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c fastsde -n __fish_use_subcommand -a ${name} -d ${quoted(does)}`,
      ...flags.map((flag) => `complete -c fastsde ${seen} -l ${flag.name.slice(2)}${flag.value ? ` ${flag.optional ? '' : '-r '}${placed(flag.value)}` : ''} -d ${quoted(flag.does)}`), // prettier-ignore
      `complete -c fastsde ${seen} ${placed(operands)}`,
    ];
  });
  return `# Completion of fastsde in fish: fastsde completion fish > ~/.config/fish/completions/fastsde.fish
complete -c fastsde -f
${lines.join('\n')}
`;
}

function placed({ words, files }: Place): string {
  const folders = files === 'folders' ? ['(__fish_complete_directories)'] : [];
  // Words are read once more: what means something to the shell there is marked.
  const given = [...words.map((word) => word.replace(/[^\w.,+=:@%/-]/g, '\\$&')), ...folders];
  const list = given.length === 0 ? '' : ` -a ${quoted(given.join(' '))}`;
  return `${files === 'all' ? '-F' : '-f'}${list}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
