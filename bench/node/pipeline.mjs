// What the original product's service did with an object: read it page by page, write CSV, COPY it into a
// temporary table, then upsert from there in batches by OFFSET and LIMIT.
//   node pipeline.mjs PROVIDER ORG OBJECT TABLE     says the backend's process id first, and at last what it took
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { stringify } from "csv-stringify";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

const [provider, org, object, table] = process.argv.slice(2);
const batch = 10000;
const key = ["_supaglue_application_id", "_supaglue_customer_id", "_supaglue_provider_name", "id"];
const others = ["_supaglue_emitted_at", "_supaglue_is_deleted", "_supaglue_raw_data", "_supaglue_last_modified_at"];
const columns = [...key, ...others];

async function token() {
  const body = new URLSearchParams({ grant_type: "refresh_token", client_id: "bench", refresh_token: org });
  const answer = await fetch(`${provider}/services/oauth2/token`, { method: "POST", body });
  return (await answer.json()).access_token;
}

async function get(headers, path) {
  const answer = await fetch(provider + path, { headers });
  if (!answer.ok) throw new Error(`${answer.status} of ${path}`);
  return answer.json();
}

async function* rows(headers) {
  const base = `/org/${org}/services/data/v62.0`;
  const described = await get(headers, `${base}/sobjects/${object}/describe`);
  const excluded = ["address", "location", "base64", "complexvalue"];
  const fields = described.fields.filter((field) => !excluded.includes(field.type)).map((field) => field.name);
  const soql = `SELECT ${fields.join(", ")} FROM ${object}`;
  const emitted = new Date();
  let path = `${base}/queryAll?${new URLSearchParams({ q: soql })}`;
  while (path) {
    const page = await get(headers, path);
    for (const { attributes, ...record } of page.records)
      yield ["default", org, "salesforce", record.Id, emitted, record.IsDeleted, record, new Date(record.SystemModstamp)];
    path = page.nextRecordsUrl;
  }
}

async function upsert(client, count) {
  const names = columns.join(", ");
  const set = others.map((name) => `${name} = excluded.${name}`).join(", ");
  for (let offset = 0; offset < count; offset += batch)
    await client.query(`insert into ${table} (${names})
      select distinct on (id) ${names} from temp_rows order by id, _supaglue_last_modified_at desc
      offset ${offset} limit ${batch} on conflict (${key.join(", ")}) do update set ${set}`);
}

const client = new pg.Client();
await client.connect();
console.log((await client.query("select pg_backend_pid() as pid")).rows[0].pid);
const start = performance.now();
const headers = { authorization: `Bearer ${await token()}`, "sforce-query-options": "batchSize=2000" };
await client.query(`create temp table temp_rows (like ${table});
  create index on temp_rows (id, _supaglue_last_modified_at desc)`);
const csv = stringify({
  quoted: true,
  cast: { boolean: (value) => String(value), date: (value) => value.toISOString(), object: (value) => JSON.stringify(value) },
});
const copy = client.query(copyFrom(`copy temp_rows (${columns.join(", ")}) from stdin (format csv)`));
await pipeline(Readable.from(rows(headers)), csv, copy);
const copied = performance.now();
await upsert(client, copy.rowCount);
const end = performance.now();
console.log("done " + JSON.stringify({ seconds: (end - start) / 1000, copying: (copied - start) / 1000, rows: copy.rowCount }));
process.stdin.resume(); // until whoever measures has looked at both processes
process.stdin.on("end", () => client.end());
