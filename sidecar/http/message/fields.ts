import type { Headers } from '../../../policies/policy.ts';
import type { Head } from './head.ts';
import { isToken, isValue } from './octets.ts';

/** One change to the fields of a message, made by a filter. `value` null: removed. */
export interface Edit {
  readonly name: string;
  readonly value: string | null;
  /** The fields of this name that came with the message go. */
  readonly replaces: boolean;
}

const nothing: readonly string[] = [];

/**
 * The fields of a scanned head, with the changes that filters make. The head itself stays as it came: changes are
 * applied when it is written out, and cost nothing when there are none.
 */
export class Fields implements Headers {
  readonly head: Head;
  edits: Edit[] | null = null;

  constructor(head: Head) {
    this.head = head;
  }

  get(name: string): string | undefined {
    if (this.edits !== null) return this.all(name)[0];
    const field = this.#find(name, 0);
    return field < 0 ? undefined : this.head.value(field);
  }

  all(name: string): readonly string[] {
    const values: string[] = [];
    for (let field = this.#find(name, 0); field >= 0; field = this.#find(name, field + 1))
      values.push(this.head.value(field));
    for (const edit of this.edits ?? []) {
      if (edit.name !== name) continue;
      if (edit.replaces) values.length = 0;
      if (edit.value !== null) values.push(edit.value);
    }
    return values.length === 0 ? nothing : values;
  }

  set(name: string, value: string): void {
    this.#edit({ name: checkedName(name), value: checkedValue(value), replaces: true });
  }

  append(name: string, value: string): void {
    this.#edit({ name: checkedName(name), value: checkedValue(value), replaces: false });
  }

  remove(name: string): void {
    this.#edit({ name, value: null, replaces: true });
  }

  /** True when the fields of this name that came with the message are not to be sent on. */
  dropped(field: number): boolean {
    return this.edits!.some((edit) => edit.replaces && this.#is(field, edit.name));
  }

  /** The fields that filters put in, in order. */
  added(): readonly Edit[] {
    const edits = this.edits ?? [];
    return edits.filter(
      (edit, index) =>
        edit.value !== null && !edits.some((later, at) => at > index && later.replaces && later.name === edit.name),
    );
  }

  #edit(edit: Edit): void {
    this.edits ??= [];
    this.edits.push(edit);
  }

  #find(name: string, from: number): number {
    for (let field = from; field < this.head.count; field++) if (this.#is(field, name)) return field;
    return -1;
  }

  #is(field: number, name: string): boolean {
    const { buf } = this.head;
    const start = this.head.nameStart(field);
    if (this.head.nameEnd(field) - start !== name.length) return false;
    for (let i = 0; i < name.length; i++) {
      const octet = buf[start + i]!;
      if ((octet >= 65 && octet <= 90 ? octet + 32 : octet) !== name.charCodeAt(i)) return false;
    }
    return true;
  }
}

// Values come from policies, but some hold text of the request (a rewritten host, a redirect): never a line end.
function checkedName(name: string): string {
  if (name === '') throw new RangeError('a field name cannot be empty');
  for (let i = 0; i < name.length; i++)
    if (isToken[name.charCodeAt(i)] !== 1) throw new RangeError(`'${name}' is not a field name`);
  return name;
}

function checkedValue(value: string): string {
  for (let i = 0; i < value.length; i++)
    if (isValue[value.charCodeAt(i)] !== 1) throw new RangeError('a field value has an octet that is not allowed');
  return value;
}
