/** What a header says of a member beside its name; by default a file of the length of its data. */
export interface TarHeader {
  readonly type?: string;
  readonly prefix?: string;
  readonly size?: number;
}

/** A member of a tar archive as POSIX.1-1988 lays it out: a header of 512 bytes and the data, filled up to blocks of 512. */
export function member(
  name: string,
  bytes: Uint8Array,
  { type = '0', prefix = '', size = bytes.length }: TarHeader = {},
): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345, 155);
  const sum = header.reduce((a, b) => a + b);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export function tar(members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, Buffer.alloc(1024)]);
}
