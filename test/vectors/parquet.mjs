/**
 * Parquet files that DuckDB writes, in base64: run where @duckdb/node-api is installed (not in this project: it is
 * native), writes parquet.json into the folder it is run in. The values are those of test/data/parquet.test.ts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const connection = await (await DuckDBInstance.create()).connect();
const rows = `SELECT i::INTEGER AS i, CASE WHEN i % 7 = 0 THEN NULL ELSE i * 0.5 END::DOUBLE AS d, (i % 5)::FLOAT AS f,
  CASE WHEN i % 3 = 0 THEN NULL ELSE 'machine ' || (i % 4) END AS t, i % 2 = 0 AS b, i::BIGINT * 1000000 AS l,
  TIMESTAMP '2026-11-24 06:30:00' + INTERVAL (i * 250) MILLISECOND AS ts, DATE '2026-11-24' + i::INTEGER AS day,
  NULL::DOUBLE AS none, (i * 0.01)::DECIMAL(9, 2) AS cents FROM range(90) r(i)`;
const files = {};
for (const [name, options] of Object.entries({
  snappy: "COMPRESSION snappy", plain: "COMPRESSION uncompressed", v2: "COMPRESSION snappy, PARQUET_VERSION v2", zstd: "COMPRESSION zstd",
})) {
  await connection.run(`COPY (${rows}) TO '${name}.parquet' (FORMAT parquet, ${options})`);
  files[name] = readFileSync(`${name}.parquet`).toString("base64");
}
await connection.run(`COPY (SELECT [1, 2] AS list, 3 AS x) TO 'nested.parquet' (FORMAT parquet)`);
files.nested = readFileSync("nested.parquet").toString("base64");
writeFileSync("parquet.json", `${JSON.stringify(files)}\n`);
