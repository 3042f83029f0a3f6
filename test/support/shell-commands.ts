import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The commands that bash would run, each as its words; none of them runs. Throws what bash says of a script that it cannot read. */
export function commandsOf(script: string): readonly (readonly string[])[] {
  const folder = mkdtempSync(join(tmpdir(), 'fastsde-shell-'));
  // With nothing on the PATH, bash hands every command to this function.
  const prelude = `PATH=/nowhere
    command_not_found_handle() { printf '%s\\0' "$@" $'\\036' >&3; }
    enable -n kill wait exit
    `;
  try {
    const { stderr, output } = spawnSync('/bin/bash', ['-c', `${prelude}${script}\n`], {
      cwd: folder,
      env: { ...process.env, HOME: folder },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    if (/syntax error|unexpected/.test(stderr)) throw new Error(stderr);
    return output[3]!
      .split('\x1e\0')
      .filter((command) => command !== '')
      .map((command) => command.split('\0').slice(0, -1));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
