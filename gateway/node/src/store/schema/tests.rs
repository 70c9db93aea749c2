//! The two folders say the same, and the databases they make are the same.

use std::collections::BTreeSet;

use sqlx::Row;

use super::*;
use crate::store::{dialect, ground::Ground};

#[test]
fn both_folders_say_the_same() {
    for part in Part::ALL {
        for step in steps(part) {
            assert_eq!(statements(step.sqlite), statements(step.postgres), "{} {}", part.as_str(), step.name);
        }
    }
}

/// Looked up in the catalogues of two databases that were really made.
#[tokio::test]
async fn both_databases_have_the_same_tables_columns_constraints_and_indexes() {
    let (files, server) = (Ground::sqlite(), Ground::postgres());
    for part in Part::ALL {
        let mut seen = Vec::new();
        for (ground, catalogue) in [(&files, SQLITE), (&server, POSTGRES)] {
            let url = ground.url(part);
            let pool = dialect::pool(&url, part, 1).await.unwrap();
            migrate(&pool, &url, part).await.unwrap();
            let mut lines = BTreeSet::new();
            for question in catalogue {
                let rows = sqlx::query(*question).fetch_all(&pool).await.unwrap();
                assert!(!rows.is_empty() || question.contains("foreign") || question.contains("unique"), "{question}");
                lines.extend(rows.iter().map(|row| row.get::<String, _>("line")));
            }
            seen.push(lines);
        }
        let (files, server) = (&seen[0], &seen[1]);
        assert!(files.len() > 10);
        let apart: Vec<_> = files.symmetric_difference(server).collect();
        assert!(apart.is_empty(), "{}: {apart:#?}", part.as_str());
    }
}

/// After an upgrade that was a mistake: back, as long as nothing would be lost, and up again.
#[tokio::test]
async fn a_schema_goes_back_and_up_again_and_loses_nothing() {
    let ground = Ground::new();
    let url = ground.url(Part::Gateway);
    assert_eq!(if ground.is_files() { None } else { version(&url, Part::Gateway).await.unwrap() }, None);
    up(&url, Part::Gateway).await.unwrap();
    let newest = version(&url, Part::Gateway).await.unwrap().unwrap();
    back(&url, Part::Gateway, 2).await.unwrap();
    assert_eq!(version(&url, Part::Gateway).await.unwrap(), Some(2));
    for impossible in [0, 1, newest] {
        assert!(matches!(back(&url, Part::Gateway, impossible).await, Err(StoreError::NoWayBack(2, _))), "{impossible}");
    }
    up(&url, Part::Gateway).await.unwrap();
    let store = crate::store::Store::open(&url).await.unwrap();
    sqlx::query("INSERT INTO reidentification VALUES ('r', 'i', 'urn:i', 's', 'd', 'p', '', $1, 0, NULL, 'test')")
        .bind(vec![1_u8])
        .execute(&store.pool)
        .await
        .unwrap();
    if !ground.is_files() {
        let seat = store.notary_seat().await.unwrap().unwrap();
        assert!(matches!(back(&url, Part::Gateway, 4).await, Err(StoreError::Running)));
        seat.leave().await;
    }
    back(&url, Part::Gateway, 4).await.unwrap();
    assert!(matches!(back(&url, Part::Gateway, 3).await, Err(StoreError::WouldLose(table)) if table == "reidentification"));
    up(&url, Part::Gateway).await.unwrap();
    assert_eq!(version(&url, Part::Gateway).await.unwrap(), Some(newest));
}

/// Replicas that start at the same instant on an empty database: one migrates, all serve.
#[tokio::test]
async fn replicas_that_start_at_once_migrate_once() {
    let ground = Ground::postgres();
    let starts = (0..8).map(|_| async {
        for part in Part::ALL {
            let url = ground.url(part);
            let pool = dialect::pool(&url, part, 1).await.unwrap();
            migrate(&pool, &url, part).await.unwrap();
            pool.close().await;
        }
    });
    futures::future::join_all(starts).await;
}

#[tokio::test]
async fn a_database_of_another_encoding_or_order_is_refused() {
    let server = postgres_dev::Server::shared().unwrap();
    let name = format!("other{}", std::process::id());
    server.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")).unwrap();
    let url = server.database().unwrap();
    let url = format!("postgres://passerelle@localhost/{name}?{}", url.split_once('?').unwrap().1);
    let refused = crate::store::Store::open(&url).await.err().unwrap();
    assert!(matches!(refused, StoreError::Locale(..)), "{refused}");
}

/// The statements of a file without comments and spacing, with SQLite's names of types, in any order.
fn statements(sql: &str) -> BTreeSet<String> {
    let code = sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join(" ");
    let code = code.replace("BYTEA", "BLOB");
    code.split(';').map(|one| one.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|one| !one.is_empty()).collect()
}

const SQLITE: &[&str] = &[
    "SELECT 'column ' || m.name || '.' || p.name || ' ' || p.type || CASE WHEN p.\"notnull\" = 1 OR p.pk > 0 THEN ' not null ' ELSE ' ' END
        || COALESCE(p.dflt_value, '') AS line
    FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE '%sql%'",
    "SELECT 'primary key ' || m.name || '(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk))
        || ')' AS line
    FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE '%sql%'",
    "SELECT 'foreign key ' || m.name || '(' || (SELECT group_concat(\"from\", ',') FROM (SELECT \"from\" FROM pragma_foreign_key_list(m.name) WHERE id = f.id ORDER BY seq))
        || ') ' || f.\"table\" AS line
    FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND f.seq = 0",
    "SELECT 'unique ' || m.name || '(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')' AS line
    FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'u'",
    "SELECT 'index ' || i.name || ' ' || m.name || '(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
        || ')' || CASE i.\"unique\" WHEN 1 THEN ' unique' ELSE '' END || CASE i.partial WHEN 1 THEN ' partial' ELSE '' END AS line
    FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'c'",
    "SELECT 'checks ' || name || ' ' || ((length(sql) - length(replace(sql, 'CHECK (', ''))) / 7) AS line
    FROM sqlite_master WHERE type = 'table' AND sql LIKE '%CHECK (%'",
];

const POSTGRES: &[&str] = &[
    "SELECT ('column ' || table_name || '.' || column_name || ' ' || CASE data_type WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END
        || CASE is_nullable WHEN 'NO' THEN ' not null ' ELSE ' ' END || COALESCE(regexp_replace(column_default, '::.*$', ''), ''))::text AS line
    FROM information_schema.columns WHERE table_schema = current_schema() AND table_name NOT LIKE '%sql%'",
    "SELECT 'primary key ' || conrelid::regclass::text || '(' || (SELECT string_agg(attname, ',' ORDER BY n)
            FROM unnest(conkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute ON attrelid = conrelid AND attnum = num) || ')' AS line
    FROM pg_constraint WHERE contype = 'p' AND connamespace = current_schema()::regnamespace AND conrelid::regclass::text NOT LIKE '%sql%'",
    "SELECT 'foreign key ' || conrelid::regclass::text || '(' || (SELECT string_agg(attname, ',' ORDER BY n)
            FROM unnest(conkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute ON attrelid = conrelid AND attnum = num) || ') ' || confrelid::regclass::text AS line
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace",
    "SELECT 'unique ' || conrelid::regclass::text || '(' || (SELECT string_agg(attname, ',' ORDER BY n)
            FROM unnest(conkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute ON attrelid = conrelid AND attnum = num) || ')' AS line
    FROM pg_constraint WHERE contype = 'u' AND connamespace = current_schema()::regnamespace",
    "SELECT 'index ' || c.relname || ' ' || i.indrelid::regclass::text || '(' || (SELECT string_agg(attname, ',' ORDER BY n)
            FROM unnest(i.indkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute ON attrelid = i.indrelid AND attnum = num) || ')'
        || CASE WHEN i.indisunique THEN ' unique' ELSE '' END || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END AS line
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))",
    "SELECT 'checks ' || conrelid::regclass::text || ' ' || count(*)::text AS line
    FROM pg_constraint WHERE contype = 'c' AND connamespace = current_schema()::regnamespace GROUP BY conrelid",
];
