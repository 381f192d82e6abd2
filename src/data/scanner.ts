/**
 * @module
 * The cells of delimited text (RFC 4180), found in bytes that come in chunks. Nothing is decoded or copied
 * to find them: a record is a list of places in the scanner's buffer, good until the next is asked for.
 *
 * The state between two bytes is one number, so a record may be cut anywhere:
 *
 *     START ─"─► QUOTED ─"─► CLOSING ─"─► QUOTED         CLOSING ─separator─► START
 *     START ─other─► PLAIN ─separator─► START            PLAIN, CLOSING ─line feed─► the record is whole
 *
 * The libraries for this make a string of every cell, which costs more than everything else, and stream
 * through classes of one runtime; see docs/acquisition.md.
 */

const START = 0, PLAIN = 1, QUOTED = 2, CLOSING = 3;
const QUOTE = 34, LINE_FEED = 10, RETURN = 13;

export interface ScannerLimits {
  /** Cells of a record. */
  readonly columns: number;
  /** Bytes of a cell. */
  readonly cell: number;
}

export class Scanner {
  readonly #path: string;
  readonly #separator: number;
  readonly #limits: ScannerLimits;
  /** What is not yet read out, from `#from` to `#to`; `#at` is the next byte to look at. */
  bytes = new Uint8Array(1 << 16);
  #from = 0;
  #at = 0;
  #to = 0;
  #ended = false;
  #state = START;
  #cellFrom = 0;
  /** Lines that were begun. */
  #lines = 1;

  /** Of the record that `next` found: its cells, and the line that it begins in. */
  count = 0;
  line = 1;
  /** Places in `bytes`; a quoted cell is without its quotes, but doubled ones inside are still doubled. */
  starts = new Int32Array(64);
  ends = new Int32Array(64);
  quoted = new Uint8Array(64);

  constructor(path: string, separator: string, limits: ScannerLimits) {
    this.#path = path;
    this.#separator = separator.charCodeAt(0);
    this.#limits = limits;
  }

  /** More bytes, which are copied. Only when `next` has found no more records. */
  push(chunk: Uint8Array): void {
    const rest = this.#to - this.#from;
    if (this.#from > 0 && this.#to + chunk.length > this.bytes.length) this.#shift();
    if (rest + chunk.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.bytes.length, rest + chunk.length));
      grown.set(this.bytes.subarray(0, this.#to));
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  /** There are no more bytes: a last record needs no line end. */
  end(): void {
    this.#ended = true;
  }

  /** The next record; false when it is not whole, or there is none. Lines without a byte are passed over. */
  next(): boolean {
    const { bytes } = this;
    const separator = this.#separator;
    // A record that is cut goes on where it was; a whole one is forgotten.
    if (this.#from === this.#at && this.#state === START) this.#begin();
    while (this.#at < this.#to) {
      const code = bytes[this.#at];
      if (this.#state === PLAIN) {
        let at = this.#at;
        while (at < this.#to && bytes[at] !== separator && bytes[at] !== LINE_FEED) at++;
        this.#at = at;
        if (at === this.#to) break;
        if (this.#close(bytes[at], 0, at)) return true;
      } else if (this.#state === START) {
        this.#cellFrom = this.#at;
        this.#state = code === QUOTE ? QUOTED : PLAIN;
        if (code === QUOTE) this.#at++;
      } else if (this.#state === QUOTED) {
        if (code === QUOTE) this.#state = CLOSING;
        else if (code === LINE_FEED) this.#lines++;
        this.#at++;
      } else if (code === QUOTE) {
        this.#state = QUOTED;
        this.#at++;
      } else if (code === separator || code === LINE_FEED) {
        if (this.#close(code, 1, this.#at)) return true;
      } else if (code === RETURN) {
        this.#at++;
      } else {
        throw new RangeError(`${this.#path}:${this.#lines}: column ${this.count + 1} expected a separator or the line's end behind the closing quote, got ${JSON.stringify(String.fromCharCode(code))}; double quotes inside a quoted cell`);
      }
    }
    if (this.#state !== START && this.#at - this.#cellFrom > this.#limits.cell) this.#refuseCell();
    return this.#ended && this.#last();
  }

  /** The last record of a file whose last line has no end. */
  #last(): boolean {
    if (this.#from === this.#to) return false;
    if (this.#state === QUOTED) throw new RangeError(`${this.#path}:${this.line}: column ${this.count + 1} expected the quote to be closed, got the end of the file; get the file again, or close the quote`);
    if (this.#state === START) this.#cellFrom = this.#at;
    return this.#close(LINE_FEED, this.#state === CLOSING ? 1 : 0, this.#at);
  }

  #begin(): void {
    this.#from = this.#cellFrom = this.#at;
    this.count = 0;
    this.line = this.#lines;
  }

  /** End a cell at a separator, or with a line feed the record: true when that is one. */
  #close(code: number, quoted: 0 | 1, at: number): boolean {
    const { bytes } = this;
    let end = at;
    while (end > this.#cellFrom && (quoted || code === LINE_FEED) && bytes[end - 1] === RETURN) end--;
    if (end - this.#cellFrom > this.#limits.cell) this.#refuseCell();
    if (this.count === this.#limits.columns) {
      throw new RangeError(`${this.#path}:${this.line}: expected at most ${this.count} columns, got more; is the separator ${JSON.stringify(String.fromCharCode(this.#separator))}?`);
    }
    if (this.count === this.starts.length) this.#grow();
    this.starts[this.count] = this.#cellFrom + quoted;
    this.ends[this.count] = end - quoted;
    this.quoted[this.count++] = quoted;
    this.#at = Math.min(at + 1, this.#to);
    this.#state = START;
    if (code !== LINE_FEED) return false;
    this.#lines++;
    this.#from = this.#at;
    if (this.count > 1 || quoted || end > this.starts[0]) return true;
    this.#begin();
    return false;
  }

  #refuseCell(): never {
    throw new RangeError(`${this.#path}:${this.line}: column ${this.count + 1} expected at most ${this.#limits.cell} bytes, got more; ${this.#state === QUOTED || this.#state === CLOSING ? "is a quote not closed?" : "is it a text file with lines?"}`);
  }

  #grow(): void {
    const grown = <Array extends Int32Array | Uint8Array>(from: Array, to: Array): Array => {
      to.set(from);
      return to;
    };
    this.starts = grown(this.starts, new Int32Array(2 * this.count));
    this.ends = grown(this.ends, new Int32Array(2 * this.count));
    this.quoted = grown(this.quoted, new Uint8Array(2 * this.count));
  }

  /** Move what is left to the front of the buffer. */
  #shift(): void {
    const by = this.#from;
    this.bytes.copyWithin(0, by, this.#to);
    this.#from = 0;
    this.#at -= by;
    this.#to -= by;
    this.#cellFrom -= by;
    for (let cell = 0; cell < this.count; cell++) {
      this.starts[cell] -= by;
      this.ends[cell] -= by;
    }
  }
}
