/**
 * Columns of numbers or text by name as comma-separated values (RFC 4180): a line of names, then one line per row. Numbers have as
 * many digits as it takes to read them back unchanged; what is undefined is an empty field.
 */
export function encodeCsv(columns: Readonly<Record<string, ArrayLike<number | string | undefined>>>): string {
  const values = Object.values(columns);
  const rows = Array.from({ length: values[0]?.length ?? 0 }, (_, row) =>
    values.map((column) => field(column[row])).join(','),
  );
  return [Object.keys(columns).join(','), ...rows, ''].join('\r\n');
}

function field(value: number | string | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
